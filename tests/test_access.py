"""What happens as access changes. Who has which: test_access_matrix.py."""

import json
from contextlib import closing

import pytest
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_membership import change_membership

from .support import envelope
from .support import eventually
from .support import outbox_drained


def test_what_is_no_id_is_not_there_whatever_else_the_url_can_do(ada):
    for id in ("0", str(2**31), "9" * 5_000):
        for path in (f"/conversations/{id}", f"/conversations/{id}/messages", f"/messages/{id}"):
            for answer in (ada.get(path), ada.post(path, {"content": "Hello"})):
                assert answer.status_code in (404, 405)
        assert ada.get(f"/conversations/{id}/messages").status_code == 404
        assert ada.post(f"/messages/{id}", {"content": "Hello"}).status_code == 404


def test_losing_the_inbox_ends_the_stream_and_nobody_elses(app, ada, kevin):
    his, hers = (who.stream("/streams/conversations/1") for who in (kevin, ada))
    his.named("stream.open")
    hers.named("stream.open")
    change(app, remove_from_inbox, kevin)
    assert envelope(his.named("stream.closed")) == {
        "reason": "forbidden",
        "reconnect": False,
        "retry_after": 0,
    }
    assert his.ended()
    ada.send(1, "without Kevin")
    assert envelope(hers.named("message.created"))["data"]["content"] == "without Kevin"
    hers.close()


def test_an_account_stream_goes_on_with_what_is_allowed_now(app, ada, kevin):
    seen = {c["id"] for c in kevin.get("/accounts/1/conversations").json["conversations"]}
    assert len(seen) == 6
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        ada.send(1, "heard")
        assert heard_until(stream, 1) == [("conversation.updated", 1)]
        change(app, remove_from_inbox, kevin)
        heard = heard_until(stream, max(seen), "conversation.removed")
        assert {id for name, id in heard if name == "conversation.removed"} == seen
        hub = app.extensions["hub"]
        eventually(lambda: all(len(s.topics) == 1 for s in hub.subscribers()))
        ada.send(2, "not heard")
        assert outbox_drained(app)
        ada.post("/conversations/8/assignee", {"assignee_id": None})
        change(app, add_to_inbox, kevin)
        eventually(lambda: all(len(s.topics) == 2 for s in hub.subscribers()))
        ada.send(3, "heard again")
        heard = [said for said in heard_until(stream, 3) if said[0] != "conversation.removed"]
    # He is told to fetch again before he hears anything: no event tells what was there before.
    assert heard[0] == ("stream.reset", None)
    assert {id for _, id in heard} - {None} == {3}


def test_a_stream_with_other_topics_replays_nothing_of_what_they_had_before(app, ada, kevin, hub):
    """What is assigned to him he does not see as an agent of another inbox, nor once it is not."""
    ada.post("/conversations/1/assignee", {"assignee_id": kevin.id})
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    with closing(kevin.stream("/streams/accounts/1")) as stream:
        stream.named("stream.open")
        say_something_that_is_not_for(kevin, app, ada)
        with app.app_context():  # behind everyone's back: no event tells of it
            own_membership(kevin).sees = "assigned"
            db.session.commit()
        hub._revocation.recheck(hub.subscribers())
        heard = heard_until(stream, None, "stream.reset")
        ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
        heard += heard_until(stream, 2)
    assert ("conversation.updated", 1) not in heard


def test_what_came_before_a_reset_is_not_replayed(app, ada, kevin):
    ada.post("/conversations/1/assignee", {"assignee_id": kevin.id})
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    say_something_that_is_not_for(kevin, app, ada)
    with app.app_context():
        change_membership(own_membership(kevin), role="agent", sees="assigned")
    ada.post("/conversations/2/assignee", {"assignee_id": kevin.id})
    assert outbox_drained(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        heard = heard_until(stream, 2)
    assert heard[0] == ("stream.reset", None)
    assert ("conversation.updated", 1) not in heard


def say_something_that_is_not_for(who, app, ada):
    """To the topic of what is assigned to them, of a conversation that they don't see then."""
    assert who.get("/conversations/1").status_code == 404
    ada.send(1, "not for them")
    assert outbox_drained(app)
    logged = app.extensions["broker"].redis.xrevrange(f"rt:{{1}}:assignee:{who.id}", count=1)
    assert json.loads(logged[0][1][b"b"])["data"]["id"] == 1, "then this shows nothing"
    with app.app_context():  # behind everyone's back: to be told of it would move their cursor on
        db.session.get_one(Conversation, 1).assignee_id = None
        db.session.commit()


def own_membership(who):
    return db.session.scalars(select(Membership).where(Membership.user_id == who.id)).one()


def test_rights_gained_while_away_reset_the_resumed_stream(app, ada, kevin):
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    change(app, add_to_inbox, kevin)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        assert envelope(stream.named("stream.reset"))["reason"] == "history_lost"
        ada.send(1, "afterwards")
        assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1
    with closing(ada.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")  # nobody else is reset
        assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1


@pytest.mark.parametrize(
    ("told", "expected"), [(2, ["stream.reset"]), (6, ["conversation.removed"] * 6)]
)
def test_who_loses_more_than_can_be_told_fetches_again(app, kevin, monkeypatch, told, expected):
    from rtapp.services import change_inbox_members

    monkeypatch.setattr(change_inbox_members, "MAX_REMOVED", told)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    change(app, remove_from_inbox, kevin)
    assert outbox_drained(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")
        assert [stream.next().event for _ in expected] == expected


def heard_until(stream, id, name="conversation.updated"):
    """What arrives up to this event of this conversation: names and ids."""
    heard = []
    while not heard or heard[-1] != (name, id):
        event = stream.next()
        heard.append((event.event, envelope(event).get("data", {}).get("id")))
    return heard


def test_what_a_member_sees_changes_beside_the_running_server(app, ada, kevin):
    run = app.test_cli_runner().invoke
    with closing(kevin.stream("/streams/conversations/2")) as thread:
        thread.named("stream.open")
        done = run(args=["member", "set", "1", "Kevin@example.com", "--sees", "assigned"])
        assert (done.exit_code, done.output) == (0, "")
        assert envelope(thread.named("stream.closed"))["reason"] == "forbidden"
    assert kevin.get("/conversations/1").status_code == 200  # which is his
    with closing(kevin.stream("/streams/accounts/1")) as listed:
        listed.named("stream.open")
        assert run(args=["member", "set", "1", "kevin@example.com"]).exit_code == 0
        assert listed.named("stream.reset")
    assert kevin.get("/conversations/2").status_code == 200
    assert run(args=["member", "set", "2", "kevin@example.com"]).exit_code == 1
    assert run(args=["member", "set", "1", "nobody@example.com"]).exit_code == 1


def test_a_lost_control_message_is_made_up_for_by_the_sweep(app, ada, kevin, hub):
    stream = kevin.stream("/streams/conversations/1")
    stream.named("stream.open")
    with app.app_context():  # behind everyone's back
        row = db.session.scalars(select(InboxMember).where(InboxMember.user_id == kevin.id)).one()
        db.session.delete(row)
        db.session.commit()
    assert len(hub) == 1
    hub._revocation.recheck(hub.subscribers())
    assert envelope(stream.named("stream.closed"))["reason"] == "forbidden"
    assert stream.ended()


def change(app, service, who):
    from rtapp.models import Inbox
    from rtapp.models import User

    with app.app_context():
        service(db.session.get(Inbox, 1), db.session.get(User, who.id))
