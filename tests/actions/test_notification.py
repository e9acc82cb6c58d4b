import pytest

from rtapp.extensions import db
from rtapp.models import User
from rtapp.services.notify import mentioned

from ..state import verified
from ..support import envelope
from ..world import heard_by
from ..world import sees_assigned
from .refusals import Action
from .refusals import Case

PATH = "/accounts/1/notifications"


def notifications(who, query=""):
    return who.get(PATH + query).json["notifications"]


def noted(ada, kevin, text="@Kevin look"):
    ada.send(1, text, private=True)
    return notifications(kevin)[0]


def test_bad_input_is_refused_for_one(refusals, ada, kevin):
    kevin.send(1, "@Ada your turn", private=True)
    mine, his = notifications(ada)[0]["id"], noted(ada, kevin)["id"]
    one = Action("/notifications/{id}/read", mine, {}, [], {"read": [True]}, "notification")
    refusals.hold(one, Case("somebody else's", 404, body={}, id=his))


def test_bad_input_is_refused_for_all(refusals, ada, kevin):
    kevin.send(1, "@Ada your turn", private=True)
    path = "/accounts/{id}/notifications/read"
    everything = Action(path, 1, {}, [], {"read": [True]}, "account", grace=200)
    refusals.hold(everything)


@pytest.mark.parametrize("query", ["unread=maybe", "before=x", "before=0", "limit=101", "x=1"])
def test_a_bad_filter_is_400(ada, query):
    assert ada.get(f"{PATH}?{query}").status_code == 400


def test_a_note_that_names_someone_tells_them_and_nobody_else(app, ada, kevin, grace):
    with verified(app, 1, ada, kevin, grace) as heard:
        note = ada.send(1, "Could you look, @kevin? And @Grace, @Ada.", private=True).json
    assert heard[kevin].count("notification.created") == 1
    assert "notification.created" not in heard[ada]  # who wrote it
    assert heard[grace] == []  # who does not see the conversation
    assert notifications(grace) == notifications(ada) == []
    (told,) = notifications(kevin)
    assert told == {
        "id": told["id"],
        "account_id": 1,
        "kind": "mention",
        "conversation_id": 1,
        "message_id": note["id"],
        "contact": {"id": told["contact"]["id"], "name": "Maria Lindqvist"},
        "sender": {"type": "user", "id": ada.id, "name": "Ada"},
        "read": False,
        "created_at": told["created_at"],
    }


def test_a_note_in_a_conversation_of_nobodys_tells_too(ada, kevin):
    assert ada.get("/conversations/2").json["conversation"]["assignee"] is None
    ada.send(2, "@Kevin: anyone?", private=True)
    assert [n["conversation_id"] for n in notifications(kevin)] == [2]


def test_what_the_customer_may_read_mentions_nobody(ada, kevin):
    ada.send(1, "Hello, this is for @Kevin")
    assert notifications(kevin) == []


def test_an_assignment_tells_the_assignee_unless_they_took_it(ada, kevin):
    ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
    kevin.post("/conversations/3/assignee", {"assignee_id": kevin.id})
    (told,) = notifications(kevin)
    assert (told["kind"], told["conversation_id"]) == ("assignment", 2)


def test_a_customers_message_tells_the_assignee(app, ada, kevin, maria):
    with verified(app, 1, ada, kevin) as heard:
        message = maria.send(1, "Anyone there?").json
    (told,) = notifications(kevin)
    assert (told["kind"], told["message_id"]) == ("message", message["id"])
    assert told["sender"] == {"type": "contact", "id": maria.id, "name": "Maria Lindqvist"}
    assert "notification.created" not in heard[ada]


def test_reading_one_and_reading_all(app, ada, kevin):
    for n in range(3):
        ada.send(1, f"@Kevin {n}", private=True)
    newest, *rest = notifications(kevin)
    with verified(app, 1, ada, kevin) as heard:
        for _ in range(2):
            assert kevin.post(f"/notifications/{newest['id']}/read").status_code == 204
        assert notifications(kevin, "?unread=true") == rest
        for _ in range(2):
            assert kevin.post(f"{PATH}/read").status_code == 204
    assert heard[kevin] == ["notification.read"] * 2
    assert heard[ada] == []
    assert notifications(kevin, "?unread=true") == []
    assert [n["read"] for n in notifications(kevin)] == [True] * 3


def test_other_windows_hear_which_were_read(ada, kevin):
    told = noted(ada, kevin)
    with heard_by(kevin, "account:1") as stream:
        stream.named("stream.open")
        kevin.post(f"/notifications/{told['id']}/read")
        said = envelope(stream.named("notification.read"))["data"]
    assert said == {"account_id": 1, "ids": [told["id"]]}


def test_what_one_may_not_see_any_more_is_not_told(app, ada, kevin):
    told = noted(ada, kevin)
    sees_assigned(app, kevin)
    ada.post("/conversations/1/assignee", {"assignee_id": None})
    assert notifications(kevin) == []
    assert kevin.post(f"/notifications/{told['id']}/read").status_code == 404
    ada.post("/conversations/1/assignee", {"assignee_id": kevin.id})
    assert told in notifications(kevin)


def test_notifications_are_paged(ada, kevin):
    for n in range(5):
        ada.send(1, f"@Kevin {n}", private=True)
    whole = notifications(kevin)
    assert [n["id"] for n in whole] == sorted((n["id"] for n in whole), reverse=True)
    paged, before = [], ""
    while before is not None:
        page = kevin.get(f"{PATH}?limit=2{before and f'&before={before}'}").json
        paged += page["notifications"]
        before = page["next_before"]
    assert paged == whole
    assert len(whole) == 5


NAMES = ["Ada", "Ada Lovelace", "Kevin", "Kevin Kühn", "Ζωή", "a.b"]


@pytest.mark.parametrize(
    ("content", "who"),
    [
        ("@Ada Lovelace, please", {"Ada Lovelace"}),
        ("@ada please", {"Ada", "Ada Lovelace"}),  # a first name is all who have it
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
def test_who_is_meant_by_a_mention(content, who):
    people = [User(id=id, name=name) for id, name in enumerate(NAMES)]
    assert {user.name for user in mentioned(content, people)} == who


def test_nobody_is_meant_where_nobody_is():
    assert mentioned("@ada", []) == []
    assert mentioned("@", [User(id=1, name=" ")]) == []


def test_names_of_the_demo_are_found(app):
    with app.app_context():
        people = list(db.session.scalars(db.select(User)))
        assert {user.name for user in mentioned("@ada @kevin", people)} == {"Ada", "Kevin"}
