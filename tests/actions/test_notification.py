import pytest

from rtapp.extensions import db
from rtapp.models import AgentIdentity
from rtapp.models import User
from rtapp.services.notify import mentioned

from ..state import verified
from ..support import envelope
from ..world import open_stream
from ..world import restrict_to_assigned
from .refusals import Action
from .refusals import Case

PATH = "/accounts/1/notifications"


def notifications(agent, query=""):
    return agent.get(PATH + query).json["notifications"]


def notify_kevin(ada, kevin, text="@Kevin look"):
    ada.send(1, text, private=True)
    return notifications(kevin)[0]


def test_reading_a_notification_refuses_bad_input(refusals, ada, kevin):
    kevin.send(1, "@Ada your turn", private=True)
    mine, his = notifications(ada)[0]["id"], notify_kevin(ada, kevin)["id"]
    one = Action("/notifications/{id}/read", mine, {}, [], {"read": [True]}, "notification")
    refusals.check(one, Case("another agent's notification", 404, body={}, id=his))


def test_reading_all_notifications_refuses_bad_input(refusals, ada, kevin):
    kevin.send(1, "@Ada your turn", private=True)
    path = "/accounts/{id}/notifications/read"
    everything = Action(path, 1, {}, [], {"read": [True]}, "account", grace=200)
    refusals.check(everything)


@pytest.mark.parametrize("query", ["unread=maybe", "before=x", "before=0", "limit=101", "x=1"])
def test_a_bad_filter_of_notifications_is_refused_with_400(ada, query):
    assert ada.get(f"{PATH}?{query}").status_code == 400


def test_a_mention_in_a_note_notifies_only_the_mentioned_agent_with_access(app, ada, kevin, grace):
    with verified(app, 1, ada, kevin, grace) as received:
        note = ada.send(1, "Could you look, @kevin? And @Grace, @Ada.", private=True).json
    assert received[kevin].count("notification.created") == 1
    assert "notification.created" not in received[ada]  # the author
    assert received[grace] == []  # without access to the conversation
    assert notifications(grace) == notifications(ada) == []
    (notification,) = notifications(kevin)
    assert notification == {
        "id": notification["id"],
        "account_id": 1,
        "kind": "mention",
        "conversation_id": 1,
        "message_id": note["id"],
        "contact": {"id": notification["contact"]["id"], "name": "Maria Lindqvist"},
        "sender": {"type": "user", "id": ada.id, "name": "Ada"},
        "read": False,
        "created_at": notification["created_at"],
    }


def test_a_mention_in_an_unassigned_conversation_notifies(ada, kevin):
    assert ada.get("/conversations/2").json["conversation"]["assignee"] is None
    ada.send(2, "@Kevin: anyone?", private=True)
    assert [n["conversation_id"] for n in notifications(kevin)] == [2]


def test_a_mention_in_a_public_reply_does_not_notify(ada, kevin):
    ada.send(1, "Hello, this is for @Kevin")
    assert notifications(kevin) == []


def test_an_assignment_notifies_the_assignee_unless_they_assigned_themselves(ada, kevin):
    ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
    kevin.post("/conversations/3/assignee", {"assignee_id": kevin.id})
    (notification,) = notifications(kevin)
    assert (notification["kind"], notification["conversation_id"]) == ("assignment", 2)


def test_a_customers_message_notifies_the_assignee(app, ada, kevin, maria):
    with verified(app, 1, ada, kevin) as received:
        message = maria.send(1, "Anyone there?").json
    (notification,) = notifications(kevin)
    assert (notification["kind"], notification["message_id"]) == ("message", message["id"])
    assert notification["sender"] == {"type": "contact", "id": maria.id, "name": "Maria Lindqvist"}
    assert "notification.created" not in received[ada]


def test_reading_one_or_all_notifications_is_published_once_to_their_user(app, ada, kevin):
    for n in range(3):
        ada.send(1, f"@Kevin {n}", private=True)
    newest, *rest = notifications(kevin)
    with verified(app, 1, ada, kevin) as received:
        for _ in range(2):
            assert kevin.post(f"/notifications/{newest['id']}/read").status_code == 204
        assert notifications(kevin, "?unread=true") == rest
        for _ in range(2):
            assert kevin.post(f"{PATH}/read").status_code == 204
    assert received[kevin] == ["notification.read"] * 2
    assert received[ada] == []
    assert notifications(kevin, "?unread=true") == []
    assert [n["read"] for n in notifications(kevin)] == [True] * 3


def test_the_users_other_streams_receive_the_ids_of_read_notifications(ada, kevin):
    notification = notify_kevin(ada, kevin)
    with open_stream(kevin, "account:1") as stream:
        stream.named("stream.open")
        kevin.post(f"/notifications/{notification['id']}/read")
        data = envelope(stream.named("notification.read"))["data"]
    assert data == {"account_id": 1, "ids": [notification["id"]]}


def test_notifications_are_hidden_while_their_conversation_is_not_accessible(app, ada, kevin):
    notification = notify_kevin(ada, kevin)
    restrict_to_assigned(app, kevin)
    ada.post("/conversations/1/assignee", {"assignee_id": None})
    assert notifications(kevin) == []
    assert kevin.post(f"/notifications/{notification['id']}/read").status_code == 404
    ada.post("/conversations/1/assignee", {"assignee_id": kevin.id})
    assert notification in notifications(kevin)


def test_notifications_are_paged_newest_first_without_gaps(ada, kevin):
    for n in range(5):
        ada.send(1, f"@Kevin {n}", private=True)
    complete = notifications(kevin)
    assert [n["id"] for n in complete] == sorted((n["id"] for n in complete), reverse=True)
    paged, before = [], ""
    while before is not None:
        page = kevin.get(f"{PATH}?limit=2{before and f'&before={before}'}").json
        paged += page["notifications"]
        before = page["next_before"]
    assert paged == complete
    assert len(complete) == 5


NAMES = ["Ada", "Ada Lovelace", "Kevin", "Kevin Kühn", "Ζωή", "a.b"]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("@Ada Lovelace, please", {"Ada Lovelace"}),
        ("@ada please", {"Ada", "Ada Lovelace"}),  # a first name mentions every bearer
        ("@ADA LOVELACE!", {"Ada Lovelace"}),
        ("@Kevin Kühn and @ζωή", {"Kevin Kühn", "Ζωή"}),
        ("(@Kevin Kühn)", {"Kevin Kühn"}),
        ("mail me@ada.example", set()),
        ("@Adamant @Kevina", set()),
        ("@a.b @axb", {"a.b"}),
        ("@ Ada, @@, @", set()),
        ("no mention of Ada", set()),
    ],
)
def test_a_mention_matches_full_names_and_first_names(content, names):
    users = [User(id=id, name=name) for id, name in enumerate(NAMES)]
    assert {user.name for user in mentioned(content, users)} == names


def test_a_mention_matches_no_user_without_a_name_or_without_users():
    assert mentioned("@ada", []) == []
    assert mentioned("@", [AgentIdentity(1, " ")]) == []


def test_a_mention_matches_the_demos_users(app):
    with app.app_context():
        users = list(db.session.scalars(db.select(User)))
        assert {user.name for user in mentioned("@ada @kevin", users)} == {"Ada", "Kevin"}
