"""An account stream whose user gains an inbox: one reset, whatever arrives first.

The reset is published by the relay, and a control message has the stream authorised again. The test
decides when each of them arrives.
"""

from contextlib import closing
from contextlib import contextmanager

import pytest
from gevent import Timeout

from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import User
from rtapp.realtime.subscriber import State
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_membership import change_membership

from ..harness.gate import Gate
from ..harness.supervision import spawn
from ..harness.supervision import supervised
from ..harness.waiting import PATIENCE
from ..support import envelope
from ..support import eventually
from ..support import outbox_drained
from ..test_access import own_membership

STREAM = "/streams/accounts/1"


class Arrivals:
    """When the published reset and the control message arrive at the engine."""

    def __init__(self, app, monkeypatch):
        self._engine, self._relay = app.extensions["engine"], app.extensions["relay"]
        self._app = app
        self._recheck = self._engine.revocation.recheck_named
        self._names = []
        monkeypatch.setattr(self._engine.revocation, "recheck_named", self._names.append)
        self._deliver = self._engine.fan_out.deliver
        self._late = None  # published messages on their way, while they are held
        monkeypatch.setattr(self._engine.fan_out, "deliver", self._take)

    def _take(self, channel, payloads):
        if self._late is None:
            self._deliver(channel, payloads)
        else:
            self._late.append((channel, payloads))

    def hold_publication(self):
        self._relay.stop()

    def hold_delivery(self):
        self._late = []

    def deliver(self):
        late, self._late = self._late, None
        assert late, "nothing was published"
        for channel, payloads in late:
            self._deliver(channel, payloads)

    def publish(self):
        self._relay.start()
        assert outbox_drained(self._app)

    def publish_and_deliver(self):
        self.publish()
        assert self._engine.barrier(PATIENCE)

    def control(self):
        """The control message arrives, and its streams are authorised."""
        eventually(lambda: self._names, "the control message has come")
        for name in self._names:
            self._recheck(name)
        self._engine.revocation._checks.join(PATIENCE)


@pytest.fixture
def without_inbox(app, kevin):
    """Kevin is a member of no inbox."""
    with app.app_context():
        remove_from_inbox(db.session.get(Inbox, 1), db.session.get(User, kevin.id))
    assert outbox_drained(app)


@pytest.fixture
def arrivals(app, without_inbox, monkeypatch):
    yield Arrivals(app, monkeypatch)
    app.extensions["relay"].start()


@contextmanager
def opened(agent, engine, query=""):
    with closing(agent.stream(f"{STREAM}?{query}")) as stream:
        stream.named("stream.open")
        eventually(lambda: len(engine.hub) == 1)
        (subscriber,) = engine.hub.subscribers()
        eventually(lambda: subscriber.state is State.LIVE)
        yield stream


def add(app, agent, inbox=1):
    with app.app_context():
        add_to_inbox(db.session.get(Inbox, inbox), db.session.get(User, agent.id))


def events_until(stream, conversation_id):
    """Return the events up to an update of the conversation, in brief."""
    events = []
    with Timeout(PATIENCE, AssertionError(f"no update of {conversation_id}")):
        while not events or events[-1] != conversation_id:
            event = stream.next()
            events.append(envelope(event).get("data", {}).get("id", event.event))
    return events


def settled(app, ada, stream, conversation_id=3):
    """Return what the stream has received up to a new event of the gained inbox."""
    assert ada.send(conversation_id, "the last one").status_code == 201
    return events_until(stream, conversation_id)


def test_a_reset_that_is_published_before_the_control_message_arrives_is_the_only_one(
    app, ada, kevin, engine, arrivals
):
    with opened(kevin, engine) as stream:
        add(app, kevin)
        assert stream.named("stream.reset")
        ada.send(1, "between the two")
        assert outbox_drained(app)
        arrivals.control()
        assert settled(app, ada, stream) == [1, 3]


def test_a_control_message_that_arrives_before_the_reset_is_published_adds_none(
    app, ada, kevin, engine, arrivals
):
    with opened(kevin, engine) as stream:
        arrivals.hold_publication()
        add(app, kevin)
        arrivals.control()
        arrivals.publish_and_deliver()
        assert settled(app, ada, stream) == ["stream.reset", 3]


def test_a_control_message_between_the_publication_and_the_arrival_of_the_reset_adds_none(
    app, ada, kevin, engine, arrivals
):
    with opened(kevin, engine) as stream:
        arrivals.hold_delivery()
        add(app, kevin)
        assert outbox_drained(app)
        arrivals.control()
        assert stream.named("stream.reset")
        arrivals.deliver()
        assert settled(app, ada, stream) == [3]


def test_a_gain_whose_control_message_is_lost_is_one_reset_and_the_new_events(
    app, ada, kevin, engine, arrivals
):
    with opened(kevin, engine) as stream:
        add(app, kevin)
        assert settled(app, ada, stream) == ["stream.reset", 3]


def test_an_answer_from_before_the_change_does_not_release_a_stream_that_was_reset_since(
    app, ada, kevin, engine, arrivals, monkeypatch
):
    """A sweep has asked for the rights before they changed, and gets its answer after the reset."""
    asked = Gate("the sweep's answer", closed=False)
    authorise = engine.revocation._authorise

    def held(question):
        answer = authorise(question)
        asked()
        return answer

    monkeypatch.setattr(engine.revocation, "_authorise", held)
    with opened(kevin, engine) as stream, supervised():
        asked.close()
        sweep = spawn(engine.revocation.recheck, engine.hub.subscribers())
        asked.wait_reached()
        add(app, kevin)
        assert stream.named("stream.reset")
        asked.open()
        sweep.get()
        arrivals.control()
        assert settled(app, ada, stream) == [3]


@pytest.mark.parametrize("control_first", [True, False], ids=["control first", "reset first"])
def test_a_loss_and_a_gain_at_once_are_one_reset(app, ada, kevin, engine, arrivals, control_first):
    add(app, kevin)
    ada.post("/conversations/1/assignee", {"assignee_id": kevin.id})
    assert outbox_drained(app)
    arrivals.control()
    with opened(kevin, engine) as stream:
        if control_first:
            arrivals.hold_publication()
        with app.app_context():
            change_membership(own_membership(kevin), role="agent", sees="assigned")
        if control_first:
            arrivals.control()
            arrivals.publish_and_deliver()
        assert stream.named("stream.reset")
        arrivals.control()
        assert kevin.get("/conversations/1").status_code == 200
        assert kevin.get("/conversations/2").status_code == 404
        ada.send(2, "of the inbox that he has lost")
        assert settled(app, ada, stream, 1) == [1]


def test_each_of_two_gains_is_a_reset(app, ada, kevin, engine, arrivals):
    with opened(kevin, engine) as stream:
        for inbox, conversation in ((1, 3), (2, 7)):
            add(app, kevin, inbox)
            assert stream.named("stream.reset")
            arrivals.control()
            assert "stream.reset" not in settled(app, ada, stream, conversation)


def test_a_gain_without_a_published_reset_is_a_reset_all_the_same(
    app, ada, kevin, engine, without_inbox
):
    with opened(kevin, engine) as stream:
        with app.app_context():  # directly in the database
            db.session.add(InboxMember(inbox_id=1, user_id=kevin.id))
            db.session.commit()
        engine.revocation.recheck(engine.hub.subscribers())
        assert stream.named("stream.reset")
        assert settled(app, ada, stream) == [3]


def test_a_stream_that_resumes_before_its_reset_receives_it_once(
    app, ada, kevin, engine, without_inbox
):
    cursor = kevin.get("/accounts/1/conversations").json["cursor"]
    add(app, kevin)
    assert outbox_drained(app)
    ada.send(1, "after the reset")
    assert outbox_drained(app)
    with closing(kevin.stream(f"{STREAM}?last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        assert settled(app, ada, stream) == ["stream.reset", 1, 3]


def test_a_stream_of_long_polling_ends_with_its_reset_and_the_next_one_goes_on_from_there(
    app, ada, kevin, engine, arrivals
):
    with opened(kevin, engine, "wait=60") as stream:
        add(app, kevin)
        reset = stream.named("stream.reset")
        assert envelope(stream.named("stream.closed"))["reason"] == "waited"
        arrivals.control()
    ada.send(1, "between the two")
    assert outbox_drained(app)
    with closing(kevin.stream(f"{STREAM}?last_event_id={reset.id}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        assert settled(app, ada, stream) == [1, 3]
