"""Streams that were accepted while they could not be authorised."""

import socket
from dataclasses import replace

import gevent
import pytest

from rtapp.realtime import revocation
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.engine import Engine
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription

from ..harness.waiting import eventually

UNAUTHORISED = Subscription(0, ("a",), (), "html", user_id=7, address="x", authorised=False)


class Rights:
    """What `authorise` answers: an error while there is no answer."""

    def __init__(self):
        self.answer = None
        self.asked = 0

    def __call__(self, question):
        self.asked += 1
        if self.answer is None:
            raise OSError("the database is away")
        if isinstance(self.answer, str):
            return self.answer
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
    assert not engine.hub.addresses


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
