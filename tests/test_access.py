"""Changes of access. The access of each role: test_access_matrix.py."""

import json
from contextlib import closing

import pytest
from sqlalchemy import delete
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.events import announce
from rtapp.events import audience
from rtapp.events import outbox
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import OutboxEvent
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_membership import change_membership

from .support import envelope
from .support import eventually
from .support import outbox_drained


def test_an_id_that_no_row_can_have_is_404_or_405_for_every_method(ada):
    for id in ("0", str(2**31), "9" * 5_000, "٣", "１"):
        for path in (f"/conversations/{id}", f"/conversations/{id}/messages", f"/messages/{id}"):
            for answer in (ada.get(path), ada.post(path, {"content": "Hello"})):
                assert answer.status_code in (404, 405)
        assert ada.get(f"/conversations/{id}/messages").status_code == 404
        assert ada.post(f"/messages/{id}", {"content": "Hello"}).status_code == 404


def test_losing_the_inbox_closes_only_the_streams_of_that_agent(app, ada, kevin):
    his, hers = (agent.stream("/streams/conversations/1") for agent in (kevin, ada))
    his.named("stream.open")
    hers.named("stream.open")
    change(app, remove_from_inbox, kevin)
    assert envelope(his.until("stream.closed")[-1]) == {
        "reason": "forbidden",
        "reconnect": False,
        "retry_after": 0,
    }
    assert his.ended()
    assert "no longer sees this" in envelope(hers.until("message.created")[-1])["data"]["content"]
    ada.send(1, "without Kevin")
    assert envelope(hers.named("message.created"))["data"]["content"] == "without Kevin"
    hers.close()


def test_an_account_stream_continues_with_the_agents_current_access(app, ada, kevin):
    seen = {c["id"] for c in kevin.get("/accounts/1/conversations").json["conversations"]}
    assert len(seen) == 6
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        ada.send(1, "with access")
        assert events_until(stream, 1) == [("conversation.updated", 1)]
        change(app, remove_from_inbox, kevin)
        events = events_until(stream, 5, "conversation.removed")  # the last that is not his
        removed = [id for name, id in events if name == "conversation.removed"]
        assert sorted(removed) == sorted(seen)
        engine = app.extensions["engine"]
        eventually(lambda: all(len(s.topics) == 1 for s in engine.hub.subscribers()))
        ada.send(2, "without access")
        assert outbox_drained(app)
        ada.post("/conversations/8/assignee", {"assignee_id": None})
        change(app, add_to_inbox, kevin)
        eventually(lambda: all(len(s.topics) == 2 for s in engine.hub.subscribers()))
        ada.send(3, "with access again")
        events = [e for e in events_until(stream, 3) if e[0] != "conversation.removed"]
    # The reset comes first: no event contains the conversations that were there before.
    assert events[0] == ("stream.reset", None)
    assert {id for _, id in events} - {None} == {3}


def test_a_stream_with_a_new_topic_does_not_replay_that_topics_earlier_events(
    app, ada, kevin, engine
):
    """Conversation 1 is assigned to Kevin while he has no access to it, then unassigned."""
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        publish_without_access(kevin, app, ada)
        with app.app_context():  # directly in the database: no event
            own_membership(kevin).sees = "assigned"
            db.session.commit()
        engine.revocation.recheck(engine.hub.subscribers())
        events = events_until(stream, None, "stream.reset")
        ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
        events += events_until(stream, 2)
    assert ("conversation.updated", 1) not in events


def test_a_resumed_stream_replays_nothing_from_before_its_reset(app, ada, kevin):
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    publish_without_access(kevin, app, ada)
    with app.app_context():
        change_membership(own_membership(kevin), role="agent", sees="assigned")
    ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
    assert outbox_drained(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        events = events_until(stream, 2)
    assert events[0] == ("stream.reset", None)
    assert ("conversation.updated", 1) not in events


@pytest.mark.parametrize("published", [False, True])
def test_a_resume_between_the_commit_of_new_rights_and_their_publication_begins_with_a_reset(
    app, ada, kevin, published
):
    with app.app_context():
        change_membership(own_membership(kevin), role="agent", sees="assigned")
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    assert kevin.get("/conversations/2").status_code == 404, "the precondition does not hold"
    ada.send(2, "before Kevin could see it")
    assert outbox_drained(app)
    relay = app.extensions["relay"]
    if not published:
        relay.stop()
    with app.app_context():
        change_membership(own_membership(kevin), role="agent", sees="inbox")
    assert published is False or outbox_drained(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")
        names = [name for name, _ in events_until(stream, None, "stream.reset")]
        assert names == ["stream.reset"]
    relay.start()


@pytest.mark.parametrize("dead", [True, False], ids=["dead letter", "waiting"])
def test_a_reset_waits_until_it_is_published_or_a_dead_letter(app, dead):
    """The topics of a dead letter have been reset in its place: waiting for it would never end."""
    app.extensions["relay"].stop()
    with app.app_context():
        announce.state_lost(1, 1)
        db.session.commit()
        if dead:
            db.session.execute(update(OutboxEvent).values(dead_lettered_at=clock.now()))
            db.session.commit()
        assert outbox.reset_waits(1, [audience.user_topic(1)]) is not dead
        assert not outbox.reset_waits(1, [audience.user_topic(2)])
        db.session.execute(delete(OutboxEvent))
        db.session.commit()


def publish_without_access(agent, app, ada):
    """Publish an event of a conversation that the agent can't access to the topic of the agent."""
    assert agent.get("/conversations/1").status_code == 404
    assign_in_database(app, agent.id)
    ada.send(1, "not for them")
    assert outbox_drained(app)
    logged = app.extensions["broker"].redis.xrevrange(f"rt:{{1}}:assignee:{agent.id}", count=1)
    assert json.loads(logged[0][1][b"b"])["data"]["id"] == 1, (
        "the event was not published to the topic of the agent"
    )
    assign_in_database(app, None)  # an event would advance their cursor


def assign_in_database(app, user_id):
    with app.app_context():
        db.session.get_one(Conversation, 1).assignee_id = user_id
        db.session.commit()


def own_membership(agent):
    return db.session.scalars(select(Membership).where(Membership.user_id == agent.id)).one()


def test_access_gained_while_disconnected_resets_only_that_agents_resumed_stream(app, ada, kevin):
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    change(app, add_to_inbox, kevin)
    assert outbox_drained(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        assert envelope(stream.named("stream.reset"))["reason"] == "history_lost"
        ada.send(1, "afterwards")
        assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1
    with closing(ada.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        events = stream.until("conversation.updated")
        assert envelope(events[-1])["data"]["id"] == 1
        assert "stream.reset" not in {event.event for event in events}  # nobody else is


@pytest.mark.parametrize(
    ("limit", "expected"), [(2, ["stream.reset"]), (6, ["conversation.removed"] * 6)]
)
def test_losing_more_conversations_than_the_limit_resets_the_stream(
    app, kevin, monkeypatch, limit, expected
):
    from rtapp.services import change_inbox_members

    monkeypatch.setattr(change_inbox_members, "MAX_REMOVED", limit)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")
        assert [stream.next().event for _ in expected] == expected


def events_until(stream, id, name="conversation.updated"):
    """Return the names and ids of the events up to this event of this conversation."""
    events = []
    while not events or events[-1] != (name, id):
        event = stream.next()
        events.append((event.event, envelope(event).get("data", {}).get("id")))
    return events


def test_member_set_changes_access_on_a_running_server_and_rejects_unknown_members(app, ada, kevin):
    run = app.test_cli_runner().invoke
    with closing(kevin.stream("/streams/conversations/2")) as thread:
        thread.named("stream.open")
        done = run(args=["member", "set", "1", "Kevin@example.com", "--sees", "assigned"])
        assert (done.exit_code, "sees: assigned" in done.output) == (0, True)
        assert envelope(thread.named("stream.closed"))["reason"] == "forbidden"
    assert kevin.get("/conversations/1").status_code == 200  # assigned to him
    with closing(kevin.stream("/streams/accounts/1")) as listed:
        listed.named("stream.open")
        assert (
            run(args=["member", "set", "1", "kevin@example.com", "--sees", "inbox"]).exit_code == 0
        )
        assert listed.named("stream.reset")
    assert kevin.get("/conversations/2").status_code == 200
    assert run(args=["member", "set", "2", "kevin@example.com", "--sees", "inbox"]).exit_code == 1
    assert run(args=["member", "set", "1", "nobody@example.com", "--sees", "inbox"]).exit_code == 1


def test_the_sweep_closes_a_stream_whose_revocation_message_was_lost(app, ada, kevin, engine):
    stream = kevin.stream("/streams/conversations/1")
    stream.named("stream.open")
    with app.app_context():  # directly in the database: no control message
        row = db.session.scalars(select(InboxMember).where(InboxMember.user_id == kevin.id)).one()
        db.session.delete(row)
        db.session.commit()
    assert len(engine.hub) == 1
    engine.revocation.recheck(engine.hub.subscribers())
    assert envelope(stream.named("stream.closed"))["reason"] == "forbidden"
    assert stream.ended()


def change(app, service, agent):
    from rtapp.models import Inbox
    from rtapp.models import User

    with app.app_context():
        service(db.session.get(Inbox, 1), db.session.get(User, agent.id))
