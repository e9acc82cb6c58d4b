"""A engine, a relay and readers, each of which advances only when the test permits."""

import itertools
from collections.abc import Collection

import gevent
import pytest
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant

from rtapp.realtime import backoff
from rtapp.realtime import fan_out
from rtapp.realtime import heartbeat
from rtapp.realtime import hub as hub_module
from rtapp.realtime import pubsub
from rtapp.realtime import replay
from rtapp.realtime import revocation
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.engine import Engine
from rtapp.realtime.scheduling import yield_to_loop
from rtapp.realtime.subscriber import Subscriber

from .clock import Clock
from .clock import Dump
from .clock import TimedBroker
from .model import TOPICS
from .model import Log
from .model import Reader
from .model import render
from .wire import HeldBroker
from .wire import Turns
from .wire import Wire

ACCOUNT = 1
PATIENCE = 3000  # rounds until every reader has every event
YIELDING = {
    backoff: "turn",
    pubsub: "turn",
    fan_out: "turn",
    replay: "turn",
    heartbeat: "beat",
    revocation: "sweep",
}


class Numbered(Subscriber):
    """A subscriber with a stable hash, so that sets of subscribers have one order in each run."""

    __slots__ = ("number",)
    numbers = itertools.count()

    def __init__(self, *args):
        super().__init__(*args)
        self.number = next(self.numbers)

    def __hash__(self):
        return self.number

    def __eq__(self, other):
        return self is other


@pytest.fixture
def step_by_step(monkeypatch):
    """Make the engine yield after each subscriber, and wait for the test alone."""
    for module in YIELDING:
        monkeypatch.setattr(module, "gevent", gevent, raising=False)  # restored after the test
        monkeypatch.setattr(module, "yield_to_loop", yield_to_loop, raising=False)
    monkeypatch.setattr(hub_module, "Subscriber", Numbered)
    monkeypatch.setattr(fan_out, "WRITES_PER_TURN", 1)
    monkeypatch.setattr(pubsub, "GATHERED", 0)
    monkeypatch.setattr(replay, "SUBSCRIBERS_PER_TURN", 1)
    monkeypatch.setattr(heartbeat, "POSITION_TIMEOUT", 0)
    monkeypatch.setattr(heartbeat, "BARRIER_TIMEOUT", 1000)


class Stepped(RuleBasedStateMachine):
    server: EmbeddedRedis

    def __init__(self) -> None:
        super().__init__()
        Numbered.numbers = itertools.count()
        self.wire = Wire()
        for module, kind in YIELDING.items():
            module.gevent = Turns(self.wire, kind)
            module.yield_to_loop = Turns(self.wire, "turn").sleep
        self.relay = TimedBroker(self.server.url)  # in place of another process, which publishes
        self.relay.redis.flushall()
        self.clock = Clock(self.relay, ACCOUNT)
        broker = HeldBroker(self.server.url, self.recorded, self.wire)
        self.engine = Engine(broker, render, lambda s: s)
        self.engine.start()
        self.log = Log(ACCOUNT)
        self.numbers = itertools.count()
        self.readers: list[Reader] = []
        self.pings: list[gevent.Greenlet] = []
        self.there = True  # whether redis-server runs
        self.killed = False  # at most once: it is slow
        self.snapshot: Dump | None = None
        self.look()

    def recorded(self, accounts: Collection[int]) -> dict[int, Cursor]:
        """The database's record, in which the relay notes what it has published."""
        return {account: self.relay.high_water_marks.newest(account) for account in accounts}

    def publish_one(self, topics: list[str], size: int) -> None:
        number = next(self.numbers)
        self.log.publish(self.relay, f"k{number}", topics, number, size)

    def publish_one_reset(self, topics: list[str]) -> None:
        self.log.publish_reset(self.relay, f"k{next(self.numbers)}", topics)

    def look(self) -> None:
        """Detect a loss of data in Redis at once, with the position of either process."""
        self.relay.high_water_marks.merge(ACCOUNT, self.engine.broker.high_water_marks.of(ACCOUNT))
        self.log.goes_on_in(self.relay.position(ACCOUNT).epoch)

    def ping(self, patient: bool) -> None:
        heartbeat.POSITION_TIMEOUT = 1000 if patient else 0
        self.pings.append(
            gevent.spawn(self.engine.heartbeat.ping, set(self.engine.hub.subscribers()))
        )
        self.wire.settle()

    def one_round(self) -> None:
        """Complete every waiting step; every reader is connected and reads."""
        self.wire.move()
        for reader in self.readers:
            if reader.socket is None:
                reader.open()
            reader.read()
        self.wire.settle()
        self.every_reader_is_consistent()

    @invariant()
    def every_reader_is_consistent(self):
        for reader in self.readers:
            reader.check(self.clock.latest)

    def every_reader_catches_up(self) -> None:
        self.ping(patient=True)  # the id of a ping covers all earlier events
        for _ in range(5):
            self.one_round()
        self.ping(patient=True)
        for topic in TOPICS:
            self.publish_one([topic], 1)
        for _ in range(PATIENCE):
            self.one_round()
            if all(reader.has_everything() for reader in self.readers):
                break
        else:
            pytest.fail(f"not every reader has every event: {self.readers}, {self.wire}")
        for _ in range(10):
            self.one_round()
        assert all(r.has_everything() for r in self.readers), "an unexpected event came afterwards"

    def teardown(self) -> None:
        try:
            if not self.there:
                self.server.start()
                self.look()
            self.every_reader_catches_up()
        finally:
            for reader in self.readers:
                reader.cut()
            gevent.killall(self.pings)
            self.engine.stop()
            self.wire.close()
            self.relay.redis.close()
            self.engine.broker.redis.close()
