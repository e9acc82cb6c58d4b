"""Streams that were accepted while they could not be authorised."""

import socket
from dataclasses import replace

import gevent
import pytest

from rtapp.realtime import revocation
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.engine import Engine
from rtapp.realtime.frames import RESET
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription

from ..harness.waiting import eventually

UNAUTHORISED = Subscription(0, ("a",), (), "html", user_id=7, address="x", authorised=False)


class Rights:
    """What `authorise` answers: an error while there is no answer."""

    def __init__(self):
        self.answer = None
        self.asked = 0
        self.broken = set()  # users whose question fails

    def __call__(self, question):
        self.asked += 1
        if self.answer is None:
            raise OSError("the database is away")
        if isinstance(self.answer, str):
            return self.answer
        if question.user_id in self.broken:
            raise ValueError("a fault of this question")
        return replace(question, account_id=1, topics=(Topic(1, "a"),), authorised=True)


@pytest.fixture
def rights():
    return Rights()


@pytest.fixture
def engine(redis, rights, monkeypatch):
    monkeypatch.setattr(revocation, "RETRY_DELAY", (0.01, 0.02))
    broker = Broker(redis.url)
    broker.redis.flushall()
    engine = Engine(broker, lambda format, event, body: f"<{format}>", rights)
    engine.start()
    yield engine
    engine.stop()
    broker.redis.close()


@pytest.fixture
def stream(engine):
    """The hub's subscriber and the client's end of an unauthorised stream."""
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    subscriber = engine.hub.open(ours.detach(), UNAUTHORISED)
    yield subscriber, theirs
    theirs.close()


def received(theirs):
    try:
        return theirs.recv(65536)
    except BlockingIOError:
        return b""


def test_a_stream_without_an_answer_receives_pings_with_a_lag_and_no_event(engine, stream, rights):
    subscriber, theirs = stream
    eventually(lambda: rights.asked > 3, "it is asked for again and again")
    engine.broker.publish(1, "k", "message.created", [("a", "{}")])
    assert engine.barrier(60)
    engine.heartbeat.ping({subscriber})
    text = received(theirs)
    assert text.count(b"event: ") == 1
    assert text.startswith(b'event: stream.ping\ndata: {"lag": ')
    assert b"id: " not in text
    assert b'"lag": 0' not in text
    assert subscriber.state is State.PENDING


def test_a_stream_opens_in_its_own_format_as_soon_as_it_is_authorised(engine, stream, rights):
    subscriber, theirs = stream
    eventually(lambda: rights.asked > 1)
    rights.answer = True
    eventually(lambda: subscriber.state is State.LIVE, "the stream is live")
    engine.broker.publish(1, "k", "message.created", [("a", "{}")])
    assert engine.barrier(60)
    text = received(theirs)
    assert b"event: stream.open\n" in text
    assert b"data: <html>\n" in text
    assert subscriber.subscription.address == "x"
    assert not engine.hub.pending


def test_a_stream_whose_right_has_ended_meanwhile_is_closed_with_the_reason(engine, stream, rights):
    subscriber, theirs = stream
    eventually(lambda: rights.asked > 1)
    rights.answer = "signed_out"
    eventually(lambda: subscriber.state is State.CLOSED, "the stream is closed")
    text = received(theirs)
    assert b'event: stream.closed\ndata: {"reason": "signed_out", "reconnect": false' in text
    assert b"stream.open" not in text
    assert not engine.hub.pending
    assert not engine.stream_counts


def test_a_stream_that_ends_before_its_answer_is_asked_for_no_more(engine, stream, rights):
    _, theirs = stream
    eventually(lambda: rights.asked > 1)
    theirs.close()
    eventually(lambda: not engine.hub.pending, "the hub has closed it")
    rights.answer = True
    gevent.idle()
    asked = rights.asked
    engine.heartbeat.ping(set())
    assert rights.asked <= asked + 1


def test_a_question_that_fails_does_not_keep_other_streams_from_being_authorised(engine, rights):
    rights.answer, rights.broken = True, {8}
    streams = []
    for user in (8, 8, 7, 8, 8):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        streams.append(
            (engine.hub.open(ours.detach(), replace(UNAUTHORISED, user_id=user)), theirs)
        )
    (seventh,) = (s for s, _ in streams if s.subscription.user_id == 7)
    eventually(lambda: seventh.state is State.LIVE, "the stream is live")
    assert len(engine.hub.pending) == 4
    rights.broken = set()
    eventually(lambda: not engine.hub.pending, "the others are authorised, too")
    for _, theirs in streams:
        theirs.close()


def test_a_published_reset_suspends_a_stream_until_it_is_authorised_again(engine, rights):
    rights.answer = True
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setblocking(False)
    authorised = replace(UNAUTHORISED, account_id=1, topics=(Topic(1, "a"),), authorised=True)
    subscriber = engine.hub.open(ours.detach(), authorised)
    eventually(lambda: subscriber.state is State.LIVE)
    rights.answer, before = None, rights.asked
    engine.broker.publish(1, "k", RESET, [("a", "{}")])
    engine.broker.publish(1, "l", "message.created", [("a", "{}")])
    eventually(lambda: rights.asked > before + 1, "it is asked for again and again")
    assert subscriber.state is State.PENDING
    engine.heartbeat.ping({subscriber})
    text = received(theirs)
    assert text.count(b"event: stream.reset\n") == 1
    assert b"event: message.created" not in text
    assert b'"lag": 0' not in text
    rights.answer = True
    eventually(lambda: subscriber.state is State.LIVE)
    assert received(theirs).count(b"data: <html>\n") == 1
    theirs.close()


def test_a_control_message_without_an_answer_is_processed_when_there_is_one(engine, rights):
    rights.answer = True
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    authorised = replace(UNAUTHORISED, account_id=1, topics=(Topic(1, "a"),), authorised=True)
    subscriber = engine.hub.open(ours.detach(), authorised)
    eventually(lambda: subscriber.state is State.LIVE)
    rights.answer, before = None, rights.asked
    engine.broker.recheck(7)
    eventually(lambda: rights.asked > before + 1, "it is asked for again")
    assert subscriber.state is State.LIVE, "no answer is no reason to close a stream"
    rights.answer = "forbidden"
    eventually(lambda: subscriber.state is State.CLOSED, "the stream is closed")
    theirs.close()
