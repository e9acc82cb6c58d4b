"""Each arrival is received once: in a snapshot, or as a change after it.

The test holds the readings of Redis, and the messages on the pub/sub connection, so that each order
of the two is produced.
"""

import json
import socket

import gevent
import pytest

from rtapp.events.announcements import Announcements
from rtapp.events.catalogue import EPHEMERAL
from rtapp.realtime import fan_out
from rtapp.realtime import presence
from rtapp.realtime import replay
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.broker import Topic
from rtapp.realtime.engine import Engine
from rtapp.realtime.group import Group
from rtapp.realtime.listener import Listener
from rtapp.realtime.scheduling import yield_to_loop
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription
from rtapp.realtime.typing import TYPING
from rtapp.realtime.viewers import VIEWERS
from rtapp.testing.parsing import StreamParser

from ..harness.gate import Gate
from ..support import eventually

ACCOUNT = 1
THREAD = "conversation:1"


class Reader:
    """A client's stream of a topic. `user` is present while it is open."""

    def __init__(self, engine, user=None, topic=presence.TOPIC):
        ours, self.socket = socket.socketpair()
        for end in (ours, self.socket):
            end.setblocking(False)
        leases = (presence.lease(user, "online"),) if user is not None else ()
        topics = (Topic(ACCOUNT, topic),)
        subscription = Subscription(ACCOUNT, ("a stream",), topics, leases=leases)
        self.subscriber = engine.hub.open(ours.detach(), subscription)
        self.names, self.told = [], []
        self._parser = StreamParser()

    def received(self):
        """Return what the ephemeral events have carried so far, in brief."""
        try:
            while data := self.socket.recv(65536):
                for event, _ in self._parser.feed(data):
                    self.names.append(event.event)
                    if event.event in EPHEMERAL:
                        self.told.append(brief(json.loads(event.data)["data"]))
        except BlockingIOError:
            pass
        return self.told

    def is_live(self):
        return self.subscriber.state is State.LIVE


def brief(data):
    if "viewers" in data:
        return [viewer["id"] for viewer in data["viewers"]]
    if "is_typing" in data:
        return data["user_id"], data["is_typing"]
    if "online_users" in data:
        return {"there": sorted(map(int, data["online_users"]))}
    return {"arrived": sorted(map(int, data["changed"])), "left": data["left"]}


def there(*users):
    return {"there": list(users)}


def arrived(*users):
    return {"arrived": list(users), "left": []}


@pytest.fixture
def engine(broker):
    engine = Engine(broker, lambda *_: None, lambda s: s, Announcements())
    engine.start()
    eventually(lambda: engine.barrier(60), "the engine is connected")
    yield engine
    engine.stop()


@pytest.fixture
def open_reader(engine):
    readers = []

    def open_reader(*args):
        readers.append(Reader(engine, *args))
        return readers[-1]

    yield open_reader
    for reader in readers:
        reader.socket.close()


class Held:
    """Gates at which a reading waits before and after Redis, and the messages on their way."""

    def __init__(self, engine, monkeypatch):
        self.reading, self.reply, self.messages = (
            Gate(name, closed=False) for name in ("a reading", "its reply", "the messages")
        )
        read = engine.broker.read

        def held(*args):
            self.reading()
            result = read(*args)
            self.reply()
            return result

        monkeypatch.setattr(engine.broker, "read", held)
        monkeypatch.setattr(Listener, "messages", self.messages.before(Listener.messages))


@pytest.fixture
def held(engine, monkeypatch):
    return Held(engine, monkeypatch)


def arrive(broker, user):
    """Another process's user arrives."""
    hold(broker, presence.GROUP, str(user), "online")


def hold(broker, group, holder, value):
    broker.change_groups([GroupChanges(ACCOUNT, group, [("hold", holder, "other", value)])])


def expect(engine, reader, *told):
    """The reader receives exactly these, and then the next change."""
    eventually(reader.is_live, "the stream is live")
    arrive(engine.broker, 99)
    eventually(
        lambda: reader.received()[-1:] == [arrived(99)],
        "the next change arrives",
        observed=reader.received,
    )
    assert reader.received() == [*told, arrived(99)]


def test_an_own_arrival_that_comes_after_the_snapshot_with_it_is_not_received_again(
    engine, open_reader, held
):
    held.messages.close()
    reader = open_reader(7)
    held.messages.wait_reached()  # the announcement of its own arrival
    eventually(lambda: held.reply.reached, "the snapshot has been read")
    gevent.idle()
    held.messages.open()
    expect(engine, reader, there(7))


def test_an_arrival_before_a_reading_that_is_received_after_it_is_in_the_snapshot_only(
    engine, open_reader, held
):
    held.reading.close()
    reader = open_reader()
    held.reading.wait_reached()
    held.messages.close()
    arrive(engine.broker, 8)
    held.messages.wait_reached()
    held.reading.open()
    held.reply.wait_reached()
    gevent.idle()
    held.messages.open()
    expect(engine, reader, there(8))


def test_a_viewer_and_a_typist_before_a_reading_that_are_received_after_it_are_received_once(
    engine, open_reader, held
):
    def start(user):
        hold(engine.broker, Group(VIEWERS, THREAD), f"1/{user}", "A name")
        content = json.dumps({"name": "A name", "private": False})
        hold(engine.broker, Group(TYPING, THREAD), f"user:{user}", content)

    held.reading.close()
    reader = open_reader(None, THREAD)
    held.reading.wait_reached()
    held.messages.close()
    start(8)
    held.messages.wait_reached()
    held.reading.open()
    held.reply.wait_reached()
    gevent.idle()
    held.messages.open()
    eventually(reader.is_live)
    start(9)
    eventually(lambda: (9, True) in reader.received(), "the next typist arrives")
    assert reader.told == [(8, True), [8], [8, 9], (9, True)]


def test_an_arrival_received_before_the_reading_is_in_the_snapshot_only(engine, open_reader, held):
    held.reading.close()
    reader = open_reader()
    held.reading.wait_reached()
    arrive(engine.broker, 8)
    assert engine.barrier(60)
    held.reading.open()
    expect(engine, reader, there(8))


def test_an_arrival_after_a_reading_is_received_as_a_change_although_it_came_before_the_reply(
    engine, open_reader, held
):
    held.reply.close()
    reader = open_reader(7)
    held.reply.wait_reached()
    arrive(engine.broker, 8)
    assert engine.barrier(60)
    held.reply.open()
    expect(engine, reader, there(7), arrived(8))


def test_an_arrival_between_two_readings_is_a_change_after_the_one_and_in_the_others_snapshot(
    engine, open_reader, held
):
    held.reply.close()
    early = open_reader()
    held.reply.wait_reached()
    late = [open_reader() for _ in range(2)]
    arrive(engine.broker, 8)
    held.reply.open()
    for reader in (early, *late):
        eventually(reader.is_live)
    assert engine.barrier(60)
    assert early.received() == [there(), arrived(8)]
    assert [reader.received() for reader in late] == [[there(8)]] * 2


def test_a_change_that_a_stream_received_on_going_live_is_not_written_to_it_again(
    engine, open_reader, monkeypatch
):
    """The fan-out yields between two sockets: meanwhile the second stream catches up."""
    readers = [open_reader() for _ in range(2)]
    for reader in readers:
        eventually(reader.is_live)
    gate = Gate("the fan-out's turn", closed=False)
    monkeypatch.setattr(fan_out, "WRITES_PER_TURN", 1)
    monkeypatch.setattr(fan_out, "yield_to_loop", gate.before(yield_to_loop))
    gate.close()
    arrive(engine.broker, 8)
    gate.wait_reached()
    first, second = sorted(readers, key=lambda reader: reader.received()[-1] != arrived(8))
    assert first.received() == [there(), arrived(8)]
    assert second.received() == [there()]
    engine.hub.catch_up(second.subscriber)
    eventually(lambda: second.received() == [there(), arrived(8)] and second.is_live())
    gate.open()
    for reader in readers:
        assert engine.barrier(60)
        assert reader.received() == [there(), arrived(8)]
    expect(engine, second, there(), arrived(8))


def test_a_snapshot_whose_marker_is_lost_with_the_connection_is_read_again(
    engine, open_reader, held
):
    held.messages.close()
    reader = open_reader(7)
    eventually(lambda: held.reply.reached, "the snapshot has been read")
    connections = engine.topics.generation
    assert engine.broker.redis.client_kill_filter(_type="pubsub") == 1
    held.messages.open()
    eventually(lambda: engine.topics.generation > connections, "the connection is lost")
    expect(engine, reader, there(7))


def test_a_stream_whose_marker_does_not_arrive_opens_and_has_its_snapshot_as_soon_as_one_does(
    engine, open_reader, monkeypatch
):
    monkeypatch.setattr(replay, "MARKER_TIMEOUT", 0.01)
    monkeypatch.setattr(engine.markers, "arrived", lambda *_: None)
    reader = open_reader(7)
    eventually(lambda: reader.received() == [] and "stream.open" in reader.names)
    assert not reader.is_live(), "it went live without the state"
    assert reader.received() == []
    monkeypatch.undo()
    expect(engine, reader, there(7))


def test_the_markers_of_another_process_arrive_too_and_are_dropped(broker, redis):
    engines = [Engine(broker, lambda *_: None, lambda s: s, Announcements()) for _ in range(2)]
    for engine in engines:
        engine.start()
        assert eventually(lambda engine=engine: engine.barrier(60))
    received = {engine: [] for engine in engines}
    original = {engine: engine.markers.arrived for engine in engines}
    for engine in engines:
        engine.markers.arrived = noting(received[engine], original[engine])
    readers = [Reader(engines[0])]
    eventually(readers[0].is_live, "it has its snapshot")
    with engines[0].markers.expected(ACCOUNT) as under_way:
        readers.append(Reader(engines[1]))
        eventually(readers[1].is_live, "so has the reader of the other process")
        assert engines[0].barrier(60)
        assert set(received[engines[1]]) < set(received[engines[0]]), "it arrived in both"
        assert under_way.wait(0) is None, "it was not taken for the one that is expected"
        original[engines[0]](under_way.token.encode(), 5)
        assert under_way.wait(0) == 5
    for reader in readers:
        reader.socket.close()
    for engine in engines:
        engine.stop()


def noting(tokens: list[bytes], arrived):
    def note(token: bytes, seq: int) -> None:
        tokens.append(token)
        arrived(token, seq)

    return note
