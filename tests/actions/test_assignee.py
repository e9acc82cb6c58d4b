import gevent
import pytest

from ..state import verified
from ..support import envelope
from ..support import outbox_drained
from ..world import heard_by
from ..world import sees_assigned
from .refusals import STALE
from .refusals import Action
from .refusals import Case

PATH = "/conversations/1/assignee"  # which is Kevin's

SET = Action(
    path="/conversations/{id}/assignee",
    id=1,
    body={"assignee_id": 1},
    required=["assignee_id"],
    bad={
        "assignee_id": ["1", 0, -1, 1.0, True, 2**31, [1], {"id": 1}],
        "version": ["1", 0, 2**31],
    },
)


def test_bad_input_is_refused(refusals, other, grace):
    refusals.hold(
        SET,
        Case("stale version", 409, body={"assignee_id": None, "version": STALE}),
        Case("nobody's id", 422, "assignee_id", {"assignee_id": 999_999}),
        Case("a user of another account", 422, "assignee_id", {"assignee_id": other.user}),
        Case("an agent of another inbox", 422, "assignee_id", {"assignee_id": grace.id}),
    )


@pytest.mark.parametrize(
    ("by", "to", "said"),
    [
        ("ada", "ada", "Ada took this"),
        ("ada", None, "Ada unassigned this"),
        ("kevin", "ada", "Kevin assigned this to Ada"),
    ],
)
def test_an_assignment_is_told_to_thread_and_lists(app, ada, kevin, grace, by, to, said):
    people = {"ada": ada, "kevin": kevin, None: None}
    assignee = people[to].id if to else None
    with verified(app, 1, ada, kevin, grace) as heard:
        answer = people[by].post(PATH, {"assignee_id": assignee})
        assert answer.status_code == 200
    assert answer.json["assignee"] == ({"id": ada.id, "name": "Ada"} if to else None)
    assert heard[kevin].count("conversation.assignee_changed") == 2
    assert heard[grace] == []
    activity = ada.get("/conversations/1/messages").json["messages"][-1]
    assert (activity["message_type"], activity["content"]) == ("activity", said)


def test_the_customer_hears_nothing_of_it(app, ada, maria):
    before = maria.get("/conversations/1/messages").json["messages"]
    with heard_by(maria, "conversation:1") as stream:
        stream.named("stream.open")
        ada.post(PATH, {"assignee_id": ada.id})
        ada.send(1, "the next thing that is heard")
        assert envelope(stream.named("message.created"))["data"]["sender"]["name"] == "Ada"
    assert maria.get("/conversations/1").json["conversation"]["assignee"] is None
    assert maria.get("/conversations/1/messages").json["messages"][:-1] == before


def test_who_sees_only_what_is_theirs_gains_it_by_assignment(app, ada, kevin):
    sees_assigned(app, kevin)
    assert kevin.get("/conversations/2").status_code == 404
    with verified(app, 2, ada, kevin) as heard:
        assert ada.post("/conversations/2/assignee", {"assignee_id": kevin.id}).status_code == 200
    assert kevin.get("/conversations/2").status_code == 200
    assert set(heard[kevin]) == {
        "conversation.updated",
        "conversation.assignee_changed",
        "notification.created",
    }


def test_who_sees_only_what_is_theirs_loses_it_with_its_streams(app, ada, kevin):
    sees_assigned(app, kevin)
    with heard_by(kevin, "conversation:1") as thread, heard_by(kevin, "account:1") as listed:
        thread.named("stream.open")
        listed.named("stream.open")
        with verified(app, 1, ada, kevin) as heard:
            ada.post(PATH, {"assignee_id": ada.id})
        while (event := thread.next()).event != "stream.closed":
            pass
        assert envelope(event)["reason"] == "forbidden"
        assert envelope(listed.named("conversation.removed"))["data"] == {"id": 1, "account_id": 1}
    assert heard[kevin] == ["conversation.removed"]
    assert kevin.get("/conversations/1").status_code == 404


def test_who_gets_it_back_with_its_notifications_fetches_again(app, ada, kevin):
    sees_assigned(app, kevin)
    assert ada.send(1, "@Kevin look", private=True).status_code == 201
    for assignee, told in ((None, False), (kevin.id, True)):
        with heard_by(kevin, "account:1") as listed:
            listed.named("stream.open")
            assert ada.post(PATH, {"assignee_id": assignee}).status_code == 200
            last = "notification.created" if told else "conversation.removed"
            heard = [listed.next().event]
            while heard[-1] != last:
                heard.append(listed.next().event)
        assert ("stream.reset" in heard) == told


def test_who_sees_the_inbox_keeps_it(app, ada, kevin):
    with verified(app, 1, kevin) as heard:
        ada.post(PATH, {"assignee_id": None})
    assert "conversation.removed" not in heard[kevin]
    assert kevin.get("/conversations/1").status_code == 200


def test_what_is_set_already_is_left_alone(ada, kevin, outbox):
    for body in ({"assignee_id": kevin.id}, {"assignee_id": kevin.id, "version": STALE}):
        assert ada.post(PATH, body).status_code == 200
    assert outbox.unchanged()


def test_two_who_take_it_at_once_are_told_of_one_another(app, ada, kevin):
    version = ada.get("/conversations/2").json["conversation"]["version"]
    jobs = [
        gevent.spawn(
            who.post, "/conversations/2/assignee", {"assignee_id": who.id, "version": version}
        )
        for who in (ada, kevin)
    ]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 409]
    (won,) = (job.value.json for job in jobs if job.value.status_code == 200)
    (lost,) = (job.value.json for job in jobs if job.value.status_code == 409)
    assert lost["current"] == won
    assert outbox_drained(app)
    messages = ada.get("/conversations/2/messages").json["messages"]
    assert [m["message_type"] for m in messages].count("activity") == 1


def test_a_form_takes_an_empty_choice_for_nobody(kevin, app):
    client = app.test_client()
    headers = {**kevin.headers, "Accept": "text/html"}
    answer = client.post(PATH, data={"assignee_id": ""}, headers=headers)
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    assert kevin.get("/conversations/1").json["conversation"]["assignee"] is None
