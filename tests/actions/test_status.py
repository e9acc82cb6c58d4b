from contextlib import closing
from datetime import timedelta

import gevent
import pytest
from sqlalchemy import event
from sqlalchemy import select

from rtapp import clock
from rtapp.clock import rfc3339
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.services.reopen_snoozed import reopen_snoozed

from ..state import verified
from ..support import envelope
from ..support import eventually
from ..support import outbox_drained
from ..world import open_stream
from .refusals import STALE
from .refusals import Action
from .refusals import Case

PATH = "/conversations/1/status"


def soon(**delta: int) -> str:
    return rfc3339(clock.now() + timedelta(**delta))


SET = Action(
    path="/conversations/{id}/status",
    id=1,
    body={"status": "resolved"},
    required=["status"],
    bad={
        "status": [None, 1, "", "Open", "closed", ["open"], "x" * 10_000],
        "version": ["1", 0, -1, 1.5, 2**31, True],
    },
)
INVALID_TIMES = [
    "tomorrow",
    "",
    1790000000,
    "2026-11-24",
    "2999-01-01T00:00:00",
    "2999-13-01T00:00:00Z",
    "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00",
    "2020-01-01T00:00:00Z",
    "2999-01-01T00:00:00Z",
    ["2999-01-01T00:00:00Z"],
]


def test_setting_a_conversations_status_refuses_bad_input(refusals):
    refusals.check(
        SET,
        Case("stale version", 409, body={"status": "resolved", "version": STALE}),
        Case(
            "a time with another status",
            422,
            "snoozed_until",
            {"status": "open", "snoozed_until": soon(hours=1)},
        ),
        *(
            Case(f"until {time!r}", 422, "snoozed_until",
                 {"status": "snoozed", "snoozed_until": time})
            for time in INVALID_TIMES if time != ""
        ),
    )  # fmt: skip


@pytest.mark.parametrize("status", ["pending", "snoozed", "resolved"])
def test_a_status_change_is_published_to_thread_and_lists_and_shown_to_the_customer(
    app, ada, kevin, grace, maria, status
):
    with verified(app, 1, ada, kevin, grace) as received:
        answer = kevin.post(PATH, {"status": status})
        assert (answer.status_code, answer.json["status"]) == (200, status)
    assert ada.get("/conversations/1").json["conversation"] == answer.json
    names = {"message.created", "conversation.status_changed", "conversation.updated"}
    assert received[ada] == received[kevin]
    assert set(received[ada]) == names
    assert received[ada].count("conversation.status_changed") == 2  # thread and list
    assert received[grace] == []
    shown = "resolved" if status == "resolved" else "open"
    assert maria.get("/conversations/1").json["conversation"]["status"] == shown
    activity = ada.get("/conversations/1/messages").json["messages"][-1]
    assert activity["message_type"] == "activity"
    assert activity["sender"] == {"type": "user", "id": kevin.id, "name": "Kevin"}
    assert answer.json["last_message"]["id"] < activity["id"]  # activity is no preview


def test_setting_the_current_status_changes_nothing_even_with_a_stale_version(ada, outbox, app):
    until = soon(hours=1)
    for body in ({"status": "open"}, {"status": "open", "version": STALE}):
        assert ada.post(PATH, body).status_code == 200
    assert outbox.unchanged()
    body = {"status": "snoozed", "snoozed_until": until}
    first, again = ada.post(PATH, body), ada.post(PATH, body)
    assert first.json == again.json
    assert ada.post(PATH, {"status": "snoozed"}).json["version"] > first.json["version"]


def test_the_second_status_change_of_one_version_gets_409_with_the_current_state(ada, kevin):
    version = ada.get("/conversations/1").json["conversation"]["version"]
    first = ada.post(PATH, {"status": "resolved", "version": version})
    second = kevin.post(PATH, {"status": "pending", "version": version})
    assert (first.status_code, second.status_code) == (200, 409)
    assert second.json["current"] == first.json
    assert kevin.get("/conversations/1").json["conversation"] == first.json


def test_concurrent_status_changes_are_applied_one_after_another(app, ada):
    before = ada.get("/conversations/1").json["conversation"]["version"]
    wanted = ["resolved", "pending", "snoozed", "open"] * 3
    with verified(app, 1, ada):
        jobs = [gevent.spawn(ada.post, PATH, {"status": status}) for status in wanted]
        gevent.joinall(jobs)
        assert {job.value.status_code for job in jobs} == {200}
    messages = ada.get("/conversations/1/messages").json["messages"]
    activity = [m for m in messages if m["message_type"] == "activity"]
    after = ada.get("/conversations/1").json["conversation"]["version"]
    assert after - before == len(activity) > 0


def test_a_snoozed_conversation_is_reopened_when_its_time_comes(app, ada, kevin):
    until = clock.now() + timedelta(hours=1)
    kevin.post(PATH, {"status": "snoozed", "snoozed_until": rfc3339(until)})
    with app.app_context():
        assert reopen_snoozed(until - timedelta(seconds=1)) == 0
    assert ada.get("/conversations/1").json["conversation"]["status"] == "snoozed"
    with verified(app, 1, ada) as received, app.app_context():
        assert reopen_snoozed(until) == 1
        assert reopen_snoozed(until) == 0
    assert "conversation.status_changed" in received[ada]
    assert ada.get("/conversations/1").json["conversation"]["status"] == "open"
    last = ada.get("/conversations/1/messages").json["messages"][-1]
    assert last["content"] == "Reopened: Kevin's snooze is over"


def test_a_snoozed_conversation_is_reopened_by_one_of_concurrent_processes(app, ada):
    until = clock.now() + timedelta(hours=1)
    ada.post(PATH, {"status": "snoozed", "snoozed_until": rfc3339(until)})
    before = len(ada.get("/conversations/1/messages").json["messages"])

    def reopen():
        with app.app_context():
            return reopen_snoozed(until)

    jobs = [gevent.spawn(reopen) for _ in range(4)]
    gevent.joinall(jobs, raise_error=True)
    assert max(job.value for job in jobs) == 1
    assert len(ada.get("/conversations/1/messages").json["messages"]) == before + 1


def test_a_snooze_without_a_time_lasts_until_the_customers_next_message(app, ada, maria):
    ada.post(PATH, {"status": "snoozed"})
    with app.app_context():
        reopen_snoozed(clock.now() + timedelta(days=1000))
        assert db.session.scalar(select(Conversation.snoozed_until).filter_by(id=1)) is None
    assert status_of(ada) == "snoozed"
    maria.send(1, "Any news?")
    assert status_of(ada) == "open"


def test_the_reopener_reopens_a_snoozed_conversation_in_the_background(app, ada):
    ada.post(PATH, {"status": "snoozed", "snoozed_until": soon(milliseconds=500)})
    app.extensions["reopener"].start()
    try:
        eventually(lambda: status_of(ada) == "open")
    finally:
        app.extensions["reopener"].stop()


def status_of(client):
    return client.get("/conversations/1").json["conversation"]["status"]


@pytest.mark.parametrize("status", ["resolved", "snoozed"])
def test_a_customers_message_reopens_a_resolved_or_snoozed_conversation(app, ada, maria, status):
    ada.post(PATH, {"status": status})
    with verified(app, 1, ada) as received:
        maria.send(1, "It is broken again")
    assert received[ada].count("conversation.updated") == 1
    conversation = ada.get("/conversations/1").json["conversation"]
    assert conversation["status"] == "open"
    assert conversation["last_message"]["preview"] == "It is broken again"
    last = ada.get("/conversations/1/messages").json["messages"][-1]
    assert last["content"] == "Reopened by the customer's message"
    assert last["sender"]["type"] == "contact"


def test_a_pending_conversation_is_not_opened_by_a_customer_nor_a_resolved_one_by_an_agent(
    app, ada, maria
):
    ada.post(PATH, {"status": "pending"})
    maria.send(1, "Hello?")
    assert ada.get("/conversations/1").json["conversation"]["status"] == "pending"
    ada.post(PATH, {"status": "resolved"})
    ada.send(1, "One more thing")
    assert ada.get("/conversations/1").json["conversation"]["status"] == "resolved"


def test_a_customer_receives_only_the_statuses_resolved_and_open(app, ada, maria):
    with open_stream(maria, "conversation:1") as stream:
        stream.named("stream.open")
        for status in ("pending", "snoozed", "resolved", "pending"):
            ada.post(PATH, {"status": status})
        assert outbox_drained(app)
        changes = [envelope(stream.named("conversation.status_changed"))["data"] for _ in range(2)]
    assert [(d["previous_status"], d["status"]) for d in changes] == [
        ("open", "resolved"),
        ("resolved", "open"),
    ]
    assert all(d["changed_by"] == {"id": 0, "name": "Support"} for d in changes)


def test_a_form_sets_the_status_and_redirects_to_the_conversation(kevin, app):
    client = app.test_client()
    answer = client.post(
        PATH,
        data={"status": "snoozed", "snoozed_until": "", "version": ""},
        headers={**kevin.headers, "Accept": "text/html"},
    )
    assert (answer.status_code, answer.location) == (303, "/conversations/1")
    assert kevin.get("/conversations/1").json["conversation"]["status"] == "snoozed"


def test_the_end_of_a_snooze_is_in_every_answer_and_event_with_the_conversation(ada, maria):
    until = soon(hours=1)
    with closing(ada.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        answer = ada.post(PATH, {"status": "snoozed", "snoozed_until": until})
        assert answer.json["snoozed_until"] == until
        for name in ("conversation.status_changed", "conversation.updated"):
            assert envelope(stream.named(name))["data"]["snoozed_until"] == until
        ada.send(1, "It stays snoozed.")
        updated = envelope(stream.named("conversation.updated"))["data"]
    fetched = ada.get("/conversations/1").json["conversation"]
    assert fetched["snoozed_until"] == until
    assert updated == fetched
    listed = ada.get("/accounts/1/conversations?status=snoozed").json["conversations"]
    assert fetched in listed
    assert maria.get("/conversations/1").json["conversation"]["snoozed_until"] is None
    ada.post(PATH, {"status": "open"})
    assert ada.get("/conversations/1").json["conversation"]["snoozed_until"] is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_snoozed_conversations_are_found_by_the_index_of_their_time(app):
    """Not by that of merged ones, in which nearly all conversations have the same value."""
    statements = []

    def record(*args):
        if "snoozed_until <=" in args[2]:
            statements.append(args[2:4])

    with app.app_context():
        event.listen(db.engine, "before_cursor_execute", record)
        reopen_snoozed(clock.now())
        event.remove(db.engine, "before_cursor_execute", record)
        statement, parameters = statements[0]
        plan = db.session.connection().exec_driver_sql(
            f"EXPLAIN QUERY PLAN {statement}", parameters
        )
        steps = [row[-1] for row in plan]
    assert any("ix_conversations_snoozed_until" in step for step in steps), steps
