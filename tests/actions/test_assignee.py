import gevent
import pytest

from ..state import verified
from ..support import envelope
from ..support import outbox_drained
from ..world import open_stream
from ..world import restrict_to_assigned
from .refusals import STALE
from .refusals import Action
from .refusals import Case

PATH = "/conversations/1/assignee"  # assigned to Kevin

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


def test_assigning_refuses_bad_input(refusals, other, grace):
    refusals.check(
        SET,
        Case("stale version", 409, body={"assignee_id": None, "version": STALE}),
        Case("an unknown user", 422, "assignee_id", {"assignee_id": 999_999}),
        Case("a user of another account", 422, "assignee_id", {"assignee_id": other.user}),
        Case("an agent of another inbox", 422, "assignee_id", {"assignee_id": grace.id}),
    )


@pytest.mark.parametrize(
    ("by", "to", "content"),
    [
        ("ada", "ada", "Ada took this"),
        ("ada", None, "Ada unassigned this"),
        ("kevin", "ada", "Kevin assigned this to Ada"),
    ],
)
def test_an_assignment_is_published_to_thread_and_lists_and_noted_as_activity(
    app, ada, kevin, grace, by, to, content
):
    agents = {"ada": ada, "kevin": kevin, None: None}
    assignee = agents[to].id if to else None
    with verified(app, 1, ada, kevin, grace) as received:
        answer = agents[by].post(PATH, {"assignee_id": assignee})
        assert answer.status_code == 200
    assert answer.json["assignee"] == ({"id": ada.id, "name": "Ada"} if to else None)
    assert received[kevin].count("conversation.assignee_changed") == 2
    assert received[grace] == []
    activity = ada.get("/conversations/1/messages").json["messages"][-1]
    assert (activity["message_type"], activity["content"]) == ("activity", content)


def test_a_customer_receives_no_event_and_no_activity_for_an_assignment(app, ada, maria):
    before = maria.get("/conversations/1/messages").json["messages"]
    with open_stream(maria, "conversation:1") as stream:
        stream.named("stream.open")
        ada.post(PATH, {"assignee_id": ada.id})
        ada.send(1, "the next event")
        assert envelope(stream.named("message.created"))["data"]["sender"]["name"] == "Ada"
    assert maria.get("/conversations/1").json["conversation"]["assignee"] is None
    assert maria.get("/conversations/1/messages").json["messages"][:-1] == before


def test_an_agent_restricted_to_assigned_gains_access_by_assignment(app, ada, kevin):
    restrict_to_assigned(app, kevin)
    assert kevin.get("/conversations/2").status_code == 404
    with verified(app, 2, ada, kevin) as received:
        assert ada.post("/conversations/2/assignee", {"assignee_id": kevin.id}).status_code == 200
    assert kevin.get("/conversations/2").status_code == 200
    assert set(received[kevin]) == {
        "conversation.updated",
        "conversation.assignee_changed",
        "notification.created",
    }


def test_an_agent_restricted_to_assigned_loses_access_and_stream_by_reassignment(app, ada, kevin):
    restrict_to_assigned(app, kevin)
    with open_stream(kevin, "conversation:1") as thread, open_stream(kevin, "account:1") as listed:
        thread.named("stream.open")
        listed.named("stream.open")
        with verified(app, 1, ada, kevin) as received:
            ada.post(PATH, {"assignee_id": ada.id})
        while (event := thread.next()).event != "stream.closed":
            pass
        assert envelope(event)["reason"] == "forbidden"
        assert envelope(listed.named("conversation.removed"))["data"] == {"id": 1, "account_id": 1}
    assert received[kevin] == ["conversation.removed"]
    assert kevin.get("/conversations/1").status_code == 404


def test_regained_access_with_old_notifications_resets_the_account_stream(app, ada, kevin):
    restrict_to_assigned(app, kevin)
    assert ada.send(1, "@Kevin look", private=True).status_code == 201
    for assignee, reset in ((None, False), (kevin.id, True)):
        with open_stream(kevin, "account:1") as listed:
            listed.named("stream.open")
            assert ada.post(PATH, {"assignee_id": assignee}).status_code == 200
            last = "notification.created" if reset else "conversation.removed"
            events = [listed.next().event]
            while events[-1] != last:
                events.append(listed.next().event)
        assert ("stream.reset" in events) == reset


def test_an_agent_of_the_inbox_keeps_access_without_the_assignment(app, ada, kevin):
    with verified(app, 1, kevin) as received:
        ada.post(PATH, {"assignee_id": None})
    assert "conversation.removed" not in received[kevin]
    assert kevin.get("/conversations/1").status_code == 200


def test_assigning_the_current_assignee_changes_nothing_even_with_a_stale_version(
    ada, kevin, outbox
):
    for body in ({"assignee_id": kevin.id}, {"assignee_id": kevin.id, "version": STALE}):
        assert ada.post(PATH, body).status_code == 200
    assert outbox.unchanged()


def test_one_of_two_concurrent_assignments_of_a_version_gets_409_with_the_current_state(
    app, ada, kevin
):
    version = ada.get("/conversations/2").json["conversation"]["version"]
    jobs = [
        gevent.spawn(
            agent.post, "/conversations/2/assignee", {"assignee_id": agent.id, "version": version}
        )
        for agent in (ada, kevin)
    ]
    gevent.joinall(jobs)
    assert sorted(job.value.status_code for job in jobs) == [200, 409]
    (won,) = (job.value.json for job in jobs if job.value.status_code == 200)
    (lost,) = (job.value.json for job in jobs if job.value.status_code == 409)
    assert lost["current"] == won
    assert outbox_drained(app)
    messages = ada.get("/conversations/2/messages").json["messages"]
    assert [m["message_type"] for m in messages].count("activity") == 1


def test_an_empty_assignee_in_a_form_unassigns(kevin, app):
    client = app.test_client()
    headers = {**kevin.headers, "Accept": "text/html"}
    answer = client.post(PATH, data={"assignee_id": ""}, headers=headers)
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    assert kevin.get("/conversations/1").json["conversation"]["assignee"] is None
