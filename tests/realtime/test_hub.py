import json
import socket
import time
from dataclasses import replace

import gevent
import pytest

from rtapp.realtime import fan_out
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.engine import Engine
from rtapp.realtime.hub import LIFETIME
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription

from ..harness.gate import Gate
from ..harness.waiting import PATIENCE
from ..support import eventually

BODY = '{"n":%d,"text":"%s"}'


@pytest.fixture
def engine(redis):
    broker = Broker(redis.url)
    broker.redis.flushall()
    engine = Engine(broker, lambda format, event, body: f"<{format}>", lambda s: s)
    engine.start()
    yield engine
    engine.stop()
    broker.redis.close()


class Reader:
    """The client's end of a stream, with the smallest buffer of the kernel."""

    def __init__(self, engine, *topics, **more):
        ours, self.socket = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        ours.setblocking(False)
        names = tuple(Topic(1, name) for name in topics or ("a",))
        subscription = Subscription(1, topics or ("a",), names, **more)
        self.subscriber = engine.hub.open(ours.detach(), subscription)
        self.got = b""

    def read(self):
        """Read the available data. Return everything read so far."""
        self.socket.setblocking(False)
        try:
            while data := self.socket.recv(65536):
                self.got += data
        except BlockingIOError:
            pass
        return self.got

    def numbers(self):
        return [int(part.split(b",")[0]) for part in self.read().split(b'{"n":')[1:]]


def publish(engine, n, topic="a", size=10):
    engine.broker.publish(1, f"k{n}", "message.created", [(topic, BODY % (n, "x" * size))])


def live(reader):
    return reader.subscriber.state is State.LIVE


def test_a_slow_reader_receives_every_event_and_does_not_delay_others(engine):
    slow, quick = Reader(engine), Reader(engine)
    eventually(lambda: live(slow) and live(quick))
    for n in range(300):
        publish(engine, n, size=1000)
    assert eventually(lambda: quick.numbers() == list(range(300)))
    assert slow.subscriber in engine.sockets.blocked
    assert len(slow.subscriber.unsent) < 2000  # of one frame at most
    assert eventually(lambda: slow.numbers() == list(range(300)))
    eventually(lambda: live(slow))
    slow.socket.close()
    quick.socket.close()


def test_a_blocked_reader_is_closed_after_thirty_seconds(engine):
    never = Reader(engine)
    eventually(lambda: live(never))
    for n in range(100):
        publish(engine, n, size=1000)
    since = eventually(
        lambda: engine.sockets.blocked.get(never.subscriber), "the reader is blocked"
    )
    engine.heartbeat.tick(since + 29)
    assert never.subscriber.state is State.CATCHING_UP
    engine.heartbeat.tick(since + 31)
    assert never.subscriber.state is State.CLOSED
    never.socket.close()


def test_the_hub_fetches_an_event_that_it_missed_once_a_later_one_shows_the_gap(engine):
    reader = Reader(engine)
    eventually(lambda: live(reader))
    publish(engine, 0)
    eventually(lambda: reader.numbers() == [0])
    channel = next(iter(engine.topics.channels.values()))
    gone = channel.name
    del engine.topics.channels[gone]  # the next message is dropped
    publish(engine, 1)
    eventually(lambda: engine.broker.redis.xlen(gone) == 2)
    gevent.sleep(0)
    assert engine.barrier(PATIENCE)
    engine.topics.channels[gone] = channel
    publish(engine, 2)
    eventually(lambda: reader.numbers() == [0, 1, 2])
    reader.socket.close()


def test_a_stream_opened_as_the_pubsub_connection_breaks_goes_live_on_one_new_connection(engine):
    eventually(lambda: [pubsub for pubsub in engine.pubsubs.all() if pubsub._connection])
    connections = engine.topics.generation
    engine.pubsubs.all()[0]._connection._socket.shutdown(socket.SHUT_RDWR)  # not detected yet
    reader = Reader(engine, "a", "b")
    eventually(lambda: live(reader))
    assert engine.topics.generation == connections + 1
    assert len(engine.broker.redis.client_list(_type="pubsub")) == 1  # not two
    for n, topic in enumerate("ab"):
        publish(engine, n, topic)
    eventually(lambda: reader.numbers() == [0, 1])
    reader.socket.close()


def test_no_event_is_lost_when_the_pubsub_connection_is_cut(engine):
    reader = Reader(engine)
    eventually(lambda: live(reader))
    for n in range(60):
        publish(engine, n)
        if n % 20 == 10:
            engine.broker.redis.client_kill_filter(_type="pubsub")
    assert eventually(lambda: reader.numbers() == list(range(60)))
    reader.socket.close()


def test_lost_data_in_redis_resets_a_stream_once(engine):
    reader = Reader(engine)
    eventually(lambda: live(reader))
    publish(engine, 0)
    eventually(lambda: reader.numbers() == [0])
    engine.broker.redis.flushall()
    publish(engine, 1)
    publish(engine, 2)
    eventually(lambda: b"stream.reset" in reader.read())
    publish(engine, 3)
    eventually(lambda: 3 in reader.numbers())
    assert reader.got.count(b"event: stream.reset") == 1
    reader.socket.close()


def test_a_stream_opened_after_a_loss_does_not_prevent_the_reset_of_an_older_stream(engine):
    for n in range(0, 6, 2):
        before = Reader(engine)
        eventually(lambda before=before: live(before))
        publish(engine, n)
        assert eventually(lambda before=before, n=n: before.numbers() == [n])
        engine.broker.redis.flushall()
        after = Reader(engine)
        eventually(lambda after=after: live(after))
        publish(engine, n + 1)
        assert eventually(lambda after=after, n=n: after.numbers() == [n + 1])
        assert eventually(lambda before=before, n=n: before.numbers() == [n, n + 1])
        assert before.got.count(b"event: stream.reset") == 1
        before.socket.close()
        after.socket.close()


def test_a_stream_that_is_live_in_a_new_epoch_receives_no_event_of_the_old_epoch(
    engine, monkeypatch
):
    """The fan-out of a message yields; an epoch may end in between."""
    monkeypatch.setattr(fan_out, "WRITES_PER_TURN", 1)
    engine.broker.redis.flushall()
    readers = [Reader(engine), Reader(engine)]
    eventually(lambda: all(live(r) for r in readers))
    before = readers[0].subscriber.cursor.epoch
    gate = Gate("the turn between two subscribers")
    monkeypatch.setattr(fan_out, "yield_to_loop", gate)
    publish(engine, 0)
    gate.wait_reached()
    (second,) = [reader for reader in readers if not reader.numbers()]
    engine.broker.redis.flushall()
    engine.hub.catch_up(second.subscriber)
    eventually(lambda: live(second) and second.subscriber.cursor.epoch != before)
    gate.open()
    assert engine.barrier(PATIENCE)
    assert second.numbers() == []
    publish(engine, 1)
    assert eventually(lambda: all(1 in reader.numbers() for reader in readers))
    for reader in readers:
        assert reader.got.count(b"event: stream.reset") == 1
        reader.socket.close()


def test_a_stream_whose_topics_change_and_change_back_during_a_reading_is_reset_once(
    engine, monkeypatch
):
    reader = Reader(engine)
    eventually(lambda: live(reader))
    gate = Gate("a reading of the logs")
    monkeypatch.setattr(engine.broker, "read", gate.before(engine.broker.read))
    engine.hub.catch_up(reader.subscriber)
    gate.wait_reached()
    before = reader.subscriber.subscription
    for topics in ((Topic(1, "b"),), (Topic(1, "a"),)):
        engine.hub.change(reader.subscriber, replace(before, topics=topics))
    gate.open()
    assert eventually(lambda: b"event: stream.reset" in reader.read())
    eventually(lambda: live(reader))
    publish(engine, 0)
    assert eventually(lambda: reader.numbers() == [0])
    assert reader.got.count(b"event: stream.reset") == 1
    reader.socket.close()


def test_a_stream_sends_no_new_id_before_the_complete_stream_reset(engine):
    """A client cut off before that resumes from the lost cursor, and is reset again."""
    reader = Reader(engine, cursor=Cursor("lost", 1, 0))
    eventually(lambda: live(reader))
    eventually(lambda: b"stream.reset" in reader.read())
    opened, _, reset = reader.got.partition(b"\nid: lost-1-0\nevent: stream.open\n")[2].partition(
        b"\n\nid: "
    )
    assert b"id: " not in opened
    assert b"event: stream.reset" in reset
    reader.socket.close()


def test_stream_open_without_a_reset_has_an_id(engine):
    readers = [Reader(engine), Reader(engine, cursor=engine.broker.position(1))]
    eventually(lambda: all(live(r) for r in readers))
    for reader in readers:
        eventually(lambda reader=reader: b"stream.open" in reader.read())
        assert b"\nid: " in reader.got.partition(b"\nevent: stream.open")[0]
        reader.socket.close()


def test_a_ping_advances_the_cursor_of_a_quiet_stream(engine):
    reader = Reader(engine)
    eventually(lambda: live(reader))
    before = reader.subscriber.cursor
    engine.heartbeat.ping({reader.subscriber})
    assert reader.subscriber.cursor >= before
    eventually(lambda: b"event: stream.ping" in reader.read())
    assert b'data: {"lag": 0}' in reader.got
    reader.socket.close()


def test_a_stream_past_its_lifetime_is_closed_with_a_reconnect(engine):
    old, young = Reader(engine), Reader(engine)
    eventually(lambda: live(old) and live(young))
    left = old.subscriber.expires - time.monotonic()
    assert LIFETIME[0] < left < LIFETIME[1]
    old.read()
    opened = json.loads(old.got.split(b"event: stream.open\ndata: ")[1].split(b"\n")[0])
    assert left - 1 <= opened["expires_in"] < LIFETIME[1]
    old.subscriber.expires = time.monotonic()
    engine.heartbeat.ping({old.subscriber, young.subscriber})
    old.numbers()
    data = old.got.split(b"event: stream.closed\ndata: ")[1].split(b"\n")[0]
    body = json.loads(data)
    assert (body["reason"], body["reconnect"]) == ("lifetime", True)
    assert body["retry_after"] > 0
    assert (old.subscriber.state, live(young)) == (State.CLOSED, True)
    old.socket.close()
    young.socket.close()


def test_a_stream_opened_without_redis_is_pinged_and_goes_live_when_redis_is_back(engine, redis):
    redis.stop()
    eventually(lambda: engine.pubsubs.all()[0]._connection is None)
    reader = Reader(engine)
    engine.heartbeat.ping({reader.subscriber})
    reader.numbers()
    assert b"stream.open" not in reader.got
    assert b'data: {"lag": 0}' not in reader.got
    assert b"event: stream.ping" in reader.got
    redis.start()
    eventually(lambda: live(reader), patience=10)
    publish(engine, 1)
    eventually(lambda: reader.numbers() == [1])
    reader.socket.close()


def test_a_frame_is_encoded_once_per_format(engine):
    made = []
    real = engine.frames.message

    def message(message, format):
        made.append(format)
        return real(message, format)

    engine.frames.message = message
    readers = [Reader(engine, format=f) for f in ("json", "json", "turbo", "turbo")]
    eventually(lambda: all(live(r) for r in readers))
    publish(engine, 1)
    eventually(lambda: readers[0].numbers() == [1] and readers[1].numbers() == [1])
    assert sorted(made) == ["json", "turbo"]
    for reader in readers:
        reader.socket.close()


def test_a_drain_closes_every_stream_with_shutdown_and_reconnect(engine):
    readers = [Reader(engine) for _ in range(5)]
    eventually(lambda: all(live(r) for r in readers))
    engine.drain()
    for reader in readers:
        reader.numbers()
        assert b'"reason": "shutdown", "reconnect": true' in reader.got
        reader.socket.close()
    assert len(engine.hub) == 0


def test_a_topic_without_subscribers_is_unsubscribed_after_a_linger(engine):
    reader = Reader(engine)
    eventually(lambda: live(reader))
    reader.socket.close()
    eventually(lambda: len(engine.hub) == 0)
    (since,) = engine.topics.idle.values()
    engine.heartbeat.tick(since + 1)
    assert engine.topics.channels  # kept: a page that navigates reconnects
    engine.heartbeat.tick(since + 10)
    assert not engine.topics.channels
