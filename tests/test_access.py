from contextlib import closing

import pytest
from sqlalchemy import select
from sqlalchemy import update

from rtapp.extensions import db
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox

from .support import As
from .support import all_said
from .support import envelope
from .support import eventually

# Conversation 1 is in Kevin's inbox and assigned to him, 7 in Grace's, 2 in Kevin's and nobody's.
SEES = {
    ("ada", 1): True,
    ("ada", 7): True,
    ("kevin", 1): True,
    ("kevin", 7): False,
    ("grace", 1): False,
    ("grace", 7): True,
}


@pytest.mark.parametrize(("name", "id"), SEES)
def test_pages_reads_streams_and_actions_agree(app, name, id):
    who, sees = As(app, f"{name}@example.com"), SEES[name, id]
    expected = 200 if sees else 404
    assert who.page(f"/conversations/{id}").status_code == expected
    assert who.get(f"/conversations/{id}").status_code == expected
    assert who.get(f"/conversations/{id}/messages").status_code == expected
    for path in (
        f"/streams/conversations/{id}",
        f"/streams?stream=account:1&stream=conversation:{id}",
    ):
        answer = who.get(path)
        assert answer.status_code == expected
        answer.close()
    assert who.send(id, "hello").status_code == (201 if sees else 404)
    listed = {c["id"] for c in who.get("/accounts/1/conversations").json["conversations"]}
    assert (id in listed) == sees


def test_nobody_signed_in_is_told_to_sign_in(nobody):
    for path in ("/conversations/1", "/accounts/1/conversations", "/me", "/streams/accounts/1",
                 "/streams/conversations/1", "/streams?stream=account:1"):  # fmt: skip
        answer = nobody.get(path)
        assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    answer = nobody.page("/conversations/1")
    assert (answer.status_code, answer.location) == (302, "/login?next=/conversations/1")


def test_another_account_is_not_there(kevin):
    for path in ("/accounts/2/conversations", "/streams/accounts/2"):
        assert kevin.get(path).status_code == 404


def test_an_account_stream_tells_what_its_user_sees(ada, kevin, grace):
    streams = {who: who.stream("/streams/accounts/1") for who in (ada, kevin, grace)}
    for stream in streams.values():
        stream.named("stream.open")
    ada.send(1, "to Kevin's inbox")
    ada.send(7, "to Grace's inbox")
    heard = {
        who: [envelope(stream.named("conversation.updated"))["data"]["id"] for _ in range(count)]
        for (who, stream), count in zip(streams.items(), (2, 1, 1), strict=True)
    }
    assert heard == {ada: [1, 7], kevin: [1], grace: [7]}
    for stream in streams.values():
        stream.close()


def test_who_sees_only_what_is_assigned_hears_only_that(app, ada, kevin):
    with app.app_context():
        db.session.execute(
            update(Membership).where(Membership.user_id == kevin.id).values(sees="assigned")
        )
        db.session.commit()
    assert kevin.get("/conversations/1").status_code == 200
    assert kevin.get("/conversations/2").status_code == 404
    stream = kevin.stream("/streams/accounts/1")
    stream.named("stream.open")
    ada.send(2, "not his")
    ada.send(1, "his")
    assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1
    stream.close()


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
        assert all_said(app)
        ada.post("/conversations/8/assignee", {"assignee_id": None})
        change(app, add_to_inbox, kevin)
        eventually(lambda: all(len(s.topics) == 2 for s in hub.subscribers()))
        ada.send(3, "heard again")
        heard = heard_until(stream, 3)
    # He is told to fetch again before he hears anything: no event tells what was there before.
    assert heard[0] == ("stream.reset", None)
    # What he may see now, he may see from where his stream stands: 2 too, but not 8.
    assert {id for _, id in heard} - {None} <= {2, 3}


def test_rights_gained_while_away_reset_the_resumed_stream(app, ada, kevin):
    change(app, remove_from_inbox, kevin)
    assert all_said(app)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    change(app, add_to_inbox, kevin)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        assert envelope(stream.named("stream.reset")) == {"reason": "history_lost"}
        ada.send(1, "afterwards")
        assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1
    with closing(ada.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")  # nobody else is reset
        assert envelope(stream.named("conversation.updated"))["data"]["id"] == 1


def test_who_loses_more_than_can_be_told_fetches_again(app, kevin, monkeypatch):
    from rtapp.services import change_inbox_members

    monkeypatch.setattr(change_inbox_members, "TOLD", 2)
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    change(app, remove_from_inbox, kevin)
    assert all_said(app)
    with closing(kevin.stream(f"/streams/accounts/1?last_event_id={cursor}")) as stream:
        stream.named("stream.open")
        heard = [stream.next().event for _ in range(3)]
    assert heard == ["conversation.removed", "conversation.removed", "stream.reset"]


def heard_until(stream, id, name="conversation.updated"):
    """What arrives up to this event of this conversation: names and ids."""
    heard = []
    while not heard or heard[-1] != (name, id):
        event = stream.next()
        heard.append((event.event, envelope(event).get("data", {}).get("id")))
    return heard


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
