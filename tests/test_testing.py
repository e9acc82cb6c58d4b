"""The test kit holds what it says, and notices what does not hold."""

import pytest

from rtapp.events.catalogue import EPHEMERAL
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.testing import Ended
from rtapp.testing import broadcasts

from .support import eventually

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def impatient(monkeypatch):
    """What does not happen is given up soon."""
    monkeypatch.setattr(broadcasts, "PATIENCE", 0.3)


def test_a_subscription_is_confirmed_with_its_topics(app, subscribe, kevin):
    kevins = subscribe("account:1", kevin)
    assert (kevins.confirmed, kevins.rejected) == (True, None)
    assert kevins.topics == ["inbox:1", f"user:{kevin.id}"]
    both = subscribe(["conversation:1", "presence:1"], "ada@example.com")
    assert both.topics == ["conversation:1", "presence"]


def test_users_and_contacts_are_taken_as_they_are(app, subscribe):
    with app.app_context():
        user, contact = db.session.get(User, 2), db.session.get(Conversation, 1).contact
    assert subscribe("conversation:1", user).topics == ["conversation:1"]
    assert subscribe("conversation:1", contact).topics == ["visitor:1"]


@pytest.mark.parametrize(
    ("stream", "user", "status"),
    [
        ("conversation:7", "kevin@example.com", 404),
        ("conversation:1", None, 401),
        ("nonsense:1", "ada@example.com", 400),
    ],
)
def test_a_rejected_subscription_says_why(app, subscribe, stream, user, status):
    rejected = subscribe(stream, user)
    assert (rejected.confirmed, rejected.rejected) == (False, status)
    with pytest.raises(AssertionError, match="is not open"):
        rejected.next_event()


def test_what_was_missed_while_dropped_follows_on_resuming(app, subscribe, ada):
    kevins = subscribe("conversation:1", "kevin@example.com")
    ada.send(1, "heard")
    assert contents(kevins, 1) == ["heard"]
    kevins.drop()
    assert (kevins.confirmed, kevins.topics) == (False, [])
    ada.send(1, "missed")
    kevins.resume()
    assert kevins.resumed
    ada.send(1, "heard again")
    assert contents(kevins, 2) == ["missed", "heard again"]


def contents(subscription, count):
    found = []
    while len(found) < count:
        event = subscription.next_event()
        if event.event == "message.created":
            assert event.stream == "conversation:1"
            found.append(event.data["content"])
    return found


def test_a_subscription_follows_its_users_rights(app, subscribe, kevin):
    lists, thread = subscribe("account:1", kevin), subscribe("conversation:1", kevin)
    with app.app_context():
        remove_from_inbox(db.session.get(Inbox, 1), db.session.get(User, kevin.id))
    eventually(lambda: lists.topics == [f"user:{kevin.id}"])
    while (event := thread.next_event()).event != "stream.closed":
        pass
    assert event.data["reason"] == "forbidden"
    with pytest.raises(Ended):
        thread.next_event()


def test_waiting_for_an_event_ends(app, subscribe, grace):
    stream = subscribe("conversation:7", grace)
    with pytest.raises(AssertionError, match="no event came"):
        stream.next_event(timeout=0.05)
    grace.send(7, "later")
    while (said := stream.next_event()).event in EPHEMERAL:
        pass
    assert said.event == "message.created"  # nothing is lost by waiting


def test_a_broadcast_is_found_by_stream_event_and_fields(app, broadcasts_to, kevin):
    with broadcasts_to("conversation:1", "message.created", content="Hello", private=False) as said:
        kevin.send(1, "Hello")
    assert {each.topic for each in said} >= {"conversation:1", "visitor:1", "account", "inbox:1"}
    with broadcasts_to("conversation:1", "typing", user_id=kevin.id, is_typing=True):
        kevin.post("/conversations/1/typing", {"typing": True})


@pytest.mark.parametrize(
    ("stream", "event", "fields"),
    [
        ("conversation:2", "message.created", {"content": "Hello"}),
        ("conversation:1", "message.updated", {"content": "Hello"}),
        ("conversation:1", "message.created", {"content": "Hallo"}),
        ("conversation:1", "message.created", {"nonsense": 1}),
    ],
)
def test_what_was_not_said_is_missed(app, broadcasts_to, kevin, impatient, stream, event, fields):
    with (
        pytest.raises(AssertionError, match="was not published"),
        broadcasts_to(stream, event, **fields),
    ):
        kevin.send(1, "Hello")


def test_silence_is_held(app, no_broadcasts, kevin):
    with no_broadcasts():
        assert kevin.post("/conversations/1/status", {"status": "open"}).status_code == 200
        assert kevin.send(7, "not his").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/conversations/1/messages", {"content": "Hello"}),
        ("/conversations/1/typing", {"typing": True}),
    ],
)
def test_what_breaks_the_silence_is_noticed(app, no_broadcasts, kevin, path, body):
    with pytest.raises(AssertionError, match="published was"), no_broadcasts():
        assert kevin.post(path, body).status_code < 300


def test_a_change_that_no_event_tells_is_noticed(app, verify_action, ada, kevin):
    with verify_action(1, ada, kevin) as heard:
        ada.send(1, "told")
    assert heard[kevin] == ["message.created", "conversation.updated"]
    with pytest.raises(AssertionError), verify_action(1, ada, kevin):
        resolve_behind_everyones_back(app, 1)


def resolve_behind_everyones_back(app, id):
    with app.app_context():
        db.session.get(Conversation, id).status = "resolved"
        db.session.commit()
