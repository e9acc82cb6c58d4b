"""Streams against the model of them in model.py, through sequences nobody thought of.

What the hub and Redis say to one another goes step by step (wire.py), so that the sequences are
also of what happens in between: a reading that was asked for and not yet answered, half of what
was published heard, a greenlet that has yielded in the middle of its work.
"""

import itertools
import time

import gevent
import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime import heartbeat
from rtapp.realtime import hub as hub_module
from rtapp.realtime import replay
from rtapp.realtime import revocation
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.hub import Hub
from rtapp.realtime.subscriber import Subscriber

from ..faults.sizes import LONG
from ..faults.sizes import SIZES
from .clock import HOUR
from .clock import Clock
from .clock import Dump
from .clock import TimedBroker
from .clock import dumped
from .clock import kill
from .clock import restore
from .clock import some_epochs
from .clock import start_without_data
from .machine import searched
from .machine import some_topics
from .machine import which
from .model import TOPICS
from .model import Log
from .model import Reader
from .model import render
from .wire import HeldBroker
from .wire import Turns
from .wire import Wire

ACCOUNT = 1
PATIENCE = 1000  # rounds in which everyone has everything

redis_is_there = precondition(lambda self: self.there)
somebody = precondition(lambda self: self.readers)
several_may_come = precondition(lambda self: len(self.readers) < 5)


class Numbered(Subscriber):
    """With a hash that is the same each time: sets of subscribers keep one order."""

    __slots__ = ("number",)
    numbers = itertools.count()

    def __init__(self, *args):
        super().__init__(*args)
        self.number = next(self.numbers)

    def __hash__(self):
        return self.number

    def __eq__(self, other):
        return self is other


class TheHub(RuleBasedStateMachine):
    """Readers that dawdle, break off and come back, on a Redis that does the same."""

    server: EmbeddedRedis

    def __init__(self) -> None:
        super().__init__()
        Numbered.numbers = itertools.count()
        self.wire = Wire()
        for module, kind in (
            (hub_module, "turn"),
            (replay, "turn"),
            (heartbeat, "beat"),
            (revocation, "sweep"),
        ):
            module.gevent = Turns(self.wire, kind)
        epochs = some_epochs()
        self.relay = TimedBroker(self.server.url, epochs)  # another process, that publishes
        self.relay.redis.flushall()
        self.clock = Clock(self.relay, ACCOUNT)
        self.hub = Hub(HeldBroker(self.server.url, epochs, self.wire), render, lambda s: s)
        self.hub.start()
        self.log = Log(ACCOUNT)
        self.numbers = itertools.count()
        self.readers: list[Reader] = []
        self.pings: list[gevent.Greenlet] = []
        self.there = True  # whether redis-server runs
        self.kills = 0
        self.snapshot: Dump | None = None
        self.look()

    # What is published

    def look(self) -> None:
        """What Redis has forgotten is seen at once, by the one process or the other."""
        for known in self.hub.broker._seen.values():
            if known.epoch == self.log.epoch:
                self.relay.saw(ACCOUNT, known)
        epoch = self.relay.position(ACCOUNT).epoch
        if epoch != self.log.epoch:
            self.snapshot = None  # that an epoch which was given up comes back is not known yet
        self.log.goes_on_in(epoch)

    def publish_one(self, topics: list[str], size: int) -> None:
        number = next(self.numbers)
        self.log.publish(self.relay, f"k{number}", topics, number, size)

    @redis_is_there
    @rule(topics=some_topics, size=st.sampled_from([1, 200, 3000, 20_000]))
    def publish(self, topics, size):
        self.publish_one(topics, size)

    @redis_is_there
    @rule(topic=st.sampled_from(TOPICS), many=st.integers(2, 90), size=st.sampled_from([1, 200]))
    def publish_many(self, topic, many, size):
        for _ in range(many):
            self.publish_one([topic], size)

    # What readers do

    @several_may_come
    @rule(topics=some_topics, format=st.sampled_from(["json", "html", "turbo"]))
    def open(self, topics, format):
        self.readers.append(Reader(self.hub, self.log, topics, format))
        self.readers[-1].open()
        self.wire.settle()

    @several_may_come
    @precondition(lambda self: self.log.events)
    @rule(topics=some_topics, n=which, format=st.sampled_from(["json", "html", "turbo"]))
    def open_from_an_earlier_event(self, topics, n, format):
        self.readers.append(Reader(self.hub, self.log, topics, format))
        self.readers[-1].open(self.log.events[n % len(self.log.events)].cursor)
        self.wire.settle()

    @somebody
    @rule(n=which, limit=st.none() | st.integers(1, 5000))
    def read(self, n, limit):
        """Whoever is not chosen here has stopped reading."""
        self.readers[n % len(self.readers)].read(limit)
        self.wire.settle()

    @somebody
    @rule()
    def everyone_reads(self):
        for reader in self.readers:
            reader.read()
        self.wire.settle()

    @somebody
    @rule(n=which, at=st.integers(0, 300) | st.integers(0, 5000))
    def cut_at_some_byte(self, n, at):
        reader = self.readers[n % len(self.readers)]
        if at:
            reader.read(at)
        reader.cut()
        self.wire.settle()

    @precondition(lambda self: any(reader.socket is None for reader in self.readers))
    @rule(n=which)
    def come_back(self, n):
        away = [reader for reader in self.readers if reader.socket is None]
        away[n % len(away)].open()
        self.wire.settle()

    # What goes on in the hub

    @precondition(lambda self: self.wire.waiting("connect", "read"))
    @rule(n=which)
    def redis_does_what_it_was_asked(self, n):
        """And its answer is under way: what happens from now on is not in it."""
        asked = self.wire.waiting("connect", "read")
        asked[n % len(asked)].perform()

    @precondition(lambda self: self.wire.waiting("connect", "read", "turn"))
    @rule(n=which)
    def go_on(self, n):
        """An answer arrives, or a greenlet that has yielded gets its turn."""
        waiting = self.wire.waiting("connect", "read", "turn")
        self.wire.let(waiting[n % len(waiting)])

    @precondition(lambda self: self.wire.waiting("connect", "read"))
    @rule(n=which)
    def no_answer_arrives(self, n):
        asked = self.wire.waiting("connect", "read")
        asked[n % len(asked)].fail()

    @precondition(lambda self: self.wire.listener)
    @rule()
    def commands_reach_redis(self):
        self.wire.listener.carry()

    @precondition(lambda self: self.wire.listener)
    @rule(most=st.integers(1, 5))
    def hear(self, most):
        self.wire.listener.hear(most)

    @precondition(lambda self: self.wire.listener)
    @rule(lost=st.integers(0, 5))
    def cut_the_pubsub_connection(self, lost):
        self.wire.listener.cut(lost)

    @rule(rounds=st.integers(1, 8))
    def everything_moves(self, rounds):
        for _ in range(rounds):
            self.wire.everything_moves()

    @rule(patient=st.booleans())
    def heartbeat(self, patient):
        """Every stream is pinged: with an id, if the hub comes to know it in time."""
        heartbeat.PATIENCE = 1000 if patient else 0
        self.pings.append(gevent.spawn(self.hub._heartbeat.ping, set(self.hub.subscribers())))
        self.wire.settle()

    @rule(seconds=st.sampled_from([6, 31]))
    def some_time_without_progress(self, seconds):
        """After 5 s, topics without subscribers are left; after 30 s, stalled readers close."""
        self.hub._heartbeat.tick(time.monotonic() + seconds)
        self.wire.settle()

    # What befalls Redis

    @redis_is_there
    @rule(topic=st.sampled_from(TOPICS), keep=st.integers(1, 3))
    def trim(self, topic, keep):
        self.log.trim(self.relay.redis, topic, keep)

    @redis_is_there
    @rule(ms=st.sampled_from([1, 2, 1000, 5 * HOUR, 13 * HOUR, 49 * HOUR]))
    def time_passes(self, ms):
        self.clock.passes(ms)
        self.snapshot = None

    @redis_is_there
    @rule(ms=st.integers(1, 10_000))
    def the_clock_is_put_back(self, ms):
        self.clock.step(-ms)

    @redis_is_there
    @precondition(lambda self: self.kills < 1)
    @rule()
    def redis_is_killed(self):
        self.kills += 1
        self.there = False
        kill(self.server, self.relay.redis)
        self.wire.settle()

    @precondition(lambda self: not self.there)
    @rule(data=st.booleans())
    def redis_is_back(self, data):
        self.server.start() if data else start_without_data(self.server)
        self.there = True
        self.clock.set()
        self.look()

    @redis_is_there
    @rule()
    def lose_everything(self):
        self.relay.redis.flushall()
        self.clock.set()
        self.look()

    @redis_is_there
    @rule()
    def take_snapshot(self):
        self.snapshot = dumped(self.relay.redis, ACCOUNT)

    @redis_is_there
    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def come_back_from_the_snapshot(self):
        """Redis forgets what came since."""
        restore(self.relay.redis, ACCOUNT, self.snapshot)
        self.clock.passes(1)  # it takes that long at least
        self.look()

    # What must be true

    @invariant()
    def nobody_was_told_anything_wrong(self):
        for reader in self.readers:
            reader.check(self.clock.latest)

    def teardown(self) -> None:
        try:
            if not self.there:
                self.redis_is_back(data=True)
            self.everybody_has_everything()
        finally:
            for reader in self.readers:
                reader.cut()
            gevent.killall(self.pings)
            self.hub.stop()
            self.wire.close()
            self.relay.redis.close()
            self.hub.broker.redis.close()

    def everybody_has_everything(self) -> None:
        for topic in TOPICS:  # so that whoever listens hears that something was lost
            self.publish_one([topic], 1)
        for _ in range(PATIENCE):
            self.one_round()
            if all(reader.has_everything() for reader in self.readers):
                break
        else:
            pytest.fail(f"Not everybody got everything: {self.readers}, {self.wire}")
        for _ in range(10):
            self.one_round()
        assert all(r.has_everything() for r in self.readers), "something came after everything"

    def one_round(self) -> None:
        self.wire.everything_moves()
        for reader in self.readers:
            if reader.socket is None:
                reader.open()
            reader.read()
        self.wire.settle()
        self.nobody_was_told_anything_wrong()


@pytest.mark.timeout(14_400 if LONG else 600)  # Hypothesis shortens a failure for up to 300 s
def test_every_reader_has_every_event_or_was_reset(server, monkeypatch):
    for module in (hub_module, replay, heartbeat, revocation):
        monkeypatch.setattr(module, "gevent", module.gevent)  # as it was, afterwards
    monkeypatch.setattr(hub_module, "Subscriber", Numbered)
    monkeypatch.setattr(hub_module, "WRITES_PER_TURN", 1)
    monkeypatch.setattr(replay, "SUBSCRIBERS_PER_TURN", 1)
    monkeypatch.setattr(heartbeat, "PATIENCE", 0)
    monkeypatch.setattr(heartbeat, "BARRIER_TIMEOUT", 1000)
    TheHub.server = server
    run_state_machine_as_test(TheHub, settings=searched(SIZES.hub_examples, steps=40))
