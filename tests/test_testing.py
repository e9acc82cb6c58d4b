"""The test kit passes what holds and fails what does not."""

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
    """Shorten the wait for events that do not come."""
    monkeypatch.setattr(broadcasts, "PATIENCE", 0.3)


def test_a_permitted_subscription_of_the_test_kit_is_confirmed_with_its_topics(
    app, subscribe, kevin
):
    kevins = subscribe("account:1", kevin)
    assert (kevins.confirmed, kevins.rejected) == (True, None)
    assert kevins.topics == ["inbox:1", f"user:{kevin.id}"]
    both = subscribe(["conversation:1", "presence:1"], "ada@example.com")
    assert both.topics == ["conversation:1", "presence"]


def test_subscribe_accepts_a_user_or_a_contact(app, subscribe):
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
def test_a_rejected_subscription_has_the_status_of_the_refusal(
    app, subscribe, stream, user, status
):
    rejected = subscribe(stream, user)
    assert (rejected.confirmed, rejected.rejected) == (False, status)
    with pytest.raises(AssertionError, match="is not open"):
        rejected.next_event()


def test_a_resumed_subscription_receives_the_events_it_missed(app, subscribe, ada):
    kevins = subscribe("conversation:1", "kevin@example.com")
    ada.send(1, "live")
    assert contents(kevins, 1) == ["live"]
    kevins.drop()
    assert (kevins.confirmed, kevins.topics) == (False, [])
    ada.send(1, "missed")
    kevins.resume()
    assert kevins.resumed
    ada.send(1, "live again")
    assert contents(kevins, 2) == ["missed", "live again"]


def contents(subscription, count):
    found = []
    while len(found) < count:
        event = subscription.next_event()
        if event.event == "message.created":
            assert event.stream == "conversation:1"
            found.append(event.data["content"])
    return found


def test_a_subscription_loses_topics_and_streams_with_its_users_access(app, subscribe, kevin):
    lists, thread = subscribe("account:1", kevin), subscribe("conversation:1", kevin)
    with app.app_context():
        remove_from_inbox(db.session.get(Inbox, 1), db.session.get(User, kevin.id))
    eventually(lambda: lists.topics == [f"user:{kevin.id}"])
    while (event := thread.next_event()).event != "stream.closed":
        pass
    assert event.data["reason"] == "forbidden"
    with pytest.raises(Ended):
        thread.next_event()


def test_next_event_times_out_without_losing_the_next_event(app, subscribe, grace):
    stream = subscribe("conversation:7", grace)
    with pytest.raises(AssertionError, match="no event came"):
        stream.next_event(timeout=0.05)
    grace.send(7, "later")
    while (event := stream.next_event()).event in EPHEMERAL:
        pass
    assert event.event == "message.created"  # nothing is lost by waiting


def test_broadcasts_to_finds_a_durable_or_ephemeral_event_by_its_fields(app, broadcasts_to, kevin):
    with broadcasts_to(
        "conversation:1", "message.created", content="Hello", private=False
    ) as found:
        kevin.send(1, "Hello")
    assert {each.topic for each in found} >= {"conversation:1", "visitor:1", "account", "inbox:1"}
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
    ids=["another stream", "another event", "another value", "an unknown field"],
)
def test_broadcasts_to_fails_without_a_matching_event(
    app, broadcasts_to, kevin, impatient, stream, event, fields
):
    with (
        pytest.raises(AssertionError, match="was not published"),
        broadcasts_to(stream, event, **fields),
    ):
        kevin.send(1, "Hello")


def test_no_broadcasts_passes_if_nothing_is_published(app, no_broadcasts, kevin):
    with no_broadcasts():
        assert kevin.post("/conversations/1/status", {"status": "open"}).status_code == 200
        assert kevin.send(7, "not his").status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/conversations/1/messages", {"content": "Hello"}),
        ("/conversations/1/typing", {"typing": True}),
    ],
    ids=["durable", "ephemeral"],
)
def test_no_broadcasts_fails_on_a_durable_or_ephemeral_event(app, no_broadcasts, kevin, path, body):
    with pytest.raises(AssertionError, match="published was"), no_broadcasts():
        assert kevin.post(path, body).status_code < 300


def test_verify_action_fails_on_a_change_without_an_event(app, verify_action, ada, kevin):
    with verify_action(1, ada, kevin) as received:
        ada.send(1, "published")
    assert received[kevin] == ["message.created", "conversation.updated"]
    with pytest.raises(AssertionError), verify_action(1, ada, kevin):
        resolve_without_an_event(app, 1)


def resolve_without_an_event(app, id):
    with app.app_context():
        db.session.get(Conversation, id).status = "resolved"
        db.session.commit()
