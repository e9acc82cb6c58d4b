"""Ephemeral events, which have no log: slow readers and readers that missed some become right.

Readers with small buffers follow groups that change all the time, while the pub/sub connection is
cut and durable events come in between. In the end, each reader has the state of Redis.
"""

import json
import os
import random
import socket

import gevent
import pytest
from httpx_sse._decoders import SSEDecoder
from httpx_sse._decoders import SSELineDecoder

from rtapp.events.announcements import Announcements
from rtapp.realtime import presence
from rtapp.realtime import shard_leases
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import GroupChanges
from rtapp.realtime.broker import Topic
from rtapp.realtime.channel import MAX_RECENT
from rtapp.realtime.contact_presence import CONTACT_PRESENCE
from rtapp.realtime.contact_presence import HOLDER
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.engine import Engine
from rtapp.realtime.group import Group
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscription
from rtapp.realtime.typing import TYPING
from rtapp.realtime.viewers import VIEWERS

from ..support import eventually

ACCOUNT = 1
THREAD = "conversation:1"
GROUPS = (
    presence.GROUP,
    *(Group(kind, THREAD) for kind in (TYPING, VIEWERS, CONTACT_PRESENCE)),
)
STEPS = 120


class Reader:
    """A reader with the state of its stream alone, which may read slowly."""

    def __init__(self, engine: Engine):
        ours, self.socket = socket.socketpair()
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        ours.setblocking(False)
        self.socket.setblocking(False)
        topics = (Topic(ACCOUNT, THREAD), Topic(ACCOUNT, presence.TOPIC))
        self.subscriber = engine.hub.open(ours.detach(), Subscription(ACCOUNT, ("x",), topics))
        self.online: dict[str, str] = {}
        self.typing: set[int] = set()
        self.viewers: list[int] = []
        self.contact: int | None = None
        self.snapshots = self.events = 0
        self._lines, self._decoder = SSELineDecoder(), SSEDecoder()

    def has_read_snapshots(self, count: int) -> bool:
        self.read(100_000)
        return self.snapshots == count

    def has_read_online(self, online: dict[str, str]) -> bool:
        self.read(100_000)
        return self.online == online

    def read(self, limit: int) -> bool:
        try:
            data = os.read(self.socket.fileno(), limit)
        except BlockingIOError:
            return False
        for line in self._lines.decode(data.decode()):
            event = self._decoder.decode(line)
            if event is not None and event.data:
                self.take(event.event, json.loads(event.data))
        return True

    def take(self, name: str, body: dict) -> None:
        data = body.get("data", {})
        if name == "presence_update" and "online_users" in data:
            self.online = dict(data["online_users"])
            self.snapshots += 1
        elif name == "presence_update":
            self.online |= data["changed"]
            for user in data["left"]:
                self.online.pop(str(user), None)
        elif name == "typing":
            change = self.typing.add if data["is_typing"] else self.typing.discard
            change(data["user_id"])
        elif name == "conversation.viewers":
            self.viewers = [viewer["id"] for viewer in data["viewers"]]
        elif name == "contact.presence":
            self.contact = data["contact_id"] if data["present"] else None
        elif name == "message.created":
            self.events += 1

    def close(self) -> None:
        self.socket.close()


@pytest.fixture
def engine(broker):
    engine = Engine(broker, lambda *_: None, lambda s: s, Announcements())
    engine.start()
    yield engine
    engine.stop()


def change(broker: Broker, chance: random.Random) -> None:
    """Make a random holder arrive, depart or change its value."""
    group = chance.choice(GROUPS)
    user = chance.randint(1, 30)
    holder, value = {
        PRESENCE: (str(user), chance.choice(("online", "busy", "offline"))),
        TYPING: (f"user:{user}", json.dumps({"name": "x" * 200, "private": False})),
        VIEWERS: (f"1/{user}", "x" * 100),
        CONTACT_PRESENCE: (HOLDER, str(1 + user % 2)),
    }[group.kind]
    action = chance.choice((("hold", value), ("release", "0")))
    change = (action[0], holder, chance.choice("ab"), action[1])
    broker.change_groups([GroupChanges(ACCOUNT, group, [change])])


def is_current(reader: Reader, broker: Broker) -> bool:
    there, typing, viewing, visiting = broker.read(ACCOUNT, (), NOWHERE, GROUPS).snapshots
    return (
        reader.online == {u: s for u, s in there.present.items() if s != "offline"}
        and reader.typing == {int(holder[5:]) for holder in typing.present}
        and reader.viewers == sorted(int(holder[2:]) for holder in viewing.present)
        and [reader.contact] == [*map(int, visiting.present.values()), None][:1]
    )


@pytest.mark.parametrize("seed", range(6))
def test_every_reader_ends_with_the_groups_current_members(engine, broker, seed):
    chance = random.Random(seed)
    readers = [Reader(engine)]
    published = cuts = 0
    for step in range(STEPS):
        for _ in range(chance.choice((1, 1, 5, MAX_RECENT + 5))):
            change(broker, chance)
        if chance.random() < 0.3:
            published += 1
            body = json.dumps({"text": "x" * chance.choice((10, 3000))})
            broker.publish(ACCOUNT, f"k{step}", "message.created", [(THREAD, body)])
        if chance.random() < 0.05:
            cuts += broker.redis.client_kill_filter(_type="pubsub")
        if len(readers) < 6 and chance.random() < 0.1:
            readers.append(Reader(engine))
        gevent.sleep(0)
        for reader in readers:
            if chance.random() < 0.5:
                reader.read(chance.choice((100, 5_000, 100_000)))
    assert published
    assert cuts
    behind = sum(not is_current(reader, broker) for reader in readers)

    def settled() -> bool:
        while sum(reader.read(100_000) for reader in readers):
            gevent.sleep(0)
        return all(r.subscriber.state is State.LIVE and is_current(r, broker) for r in readers)

    eventually(settled)
    assert behind or seed, "no reader was ever behind"
    change(broker, random.Random(seed + 1000))
    eventually(settled)
    for reader in readers:
        reader.close()


def test_a_reader_that_missed_few_announcements_catches_up_without_a_snapshot(engine, broker):
    """A large snapshot must not be sent again and again to a slightly slow reader."""
    reader = Reader(engine)
    eventually(lambda: reader.has_read_snapshots(1))
    eventually(lambda: reader.subscriber.state is State.LIVE)
    change_of = [("hold", "7", "a", "online")]
    engine.hub.catch_up(reader.subscriber)
    broker.change_groups([GroupChanges(ACCOUNT, presence.GROUP, change_of)])
    eventually(lambda: reader.has_read_online({"7": "online"}))
    assert reader.snapshots == 1
    reader.close()


def numbers(held: list[bytes], process: str) -> list[int]:
    """The numbers of the streams by which a process holds leases."""
    connections = [lease.decode().partition(" ")[2].split(".") for lease in held]
    return sorted(int(number) for name, number in connections if name == process)


def test_leases_are_taken_again_by_turns_and_not_by_a_stream_closed_meanwhile(
    engine, broker, monkeypatch
):
    monkeypatch.setattr(shard_leases, "RESTORED_PER_TURN", 2)
    lease_specs = (presence.lease(7, "online"),)
    streams = []
    for _ in range(6):
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        topics = (Topic(ACCOUNT, presence.TOPIC),)
        subscription = Subscription(ACCOUNT, ("x",), topics, leases=lease_specs)
        streams.append((engine.hub.open(ours.detach(), subscription), theirs))
    key = f"rt:{{{ACCOUNT}}}:presence:{presence.TOPIC}:leases"
    eventually(lambda: broker.redis.zcard(key) == len(streams))
    last, _ = streams[-1]
    assert engine.hub.subscribers()[-1] is last, "its lease would be taken before it is closed"
    gevent.spawn(engine.hub.close, last, "forbidden")
    engine.leases.of(ACCOUNT)._restore({ACCOUNT})
    assert last.state is State.CLOSED, "it did not yield"
    (name,) = (holding.process for holding in engine.leases.of(ACCOUNT)._holdings.values())
    restored = [subscriber.lease for subscriber, _ in streams[:-1]]
    eventually(lambda: numbers(broker.redis.zrange(key, 0, -1), name) == sorted(restored))
    for _, theirs in streams:
        theirs.close()


def test_a_reader_that_missed_many_announcements_gets_a_new_snapshot(engine, broker):
    reader = Reader(engine)
    eventually(lambda: reader.has_read_snapshots(1))
    chance = random.Random(1)
    for _ in range(40 * MAX_RECENT):
        change(broker, chance)
    eventually(lambda: reader.subscriber in engine.sockets.blocked)

    def caught_up() -> bool:
        reader.read(100_000)
        return reader.snapshots > 1 and is_current(reader, broker)

    eventually(caught_up)
    reader.close()
