"""Streams against their model in model.py, through random sequences.

The traffic of the hub and Redis goes step by step (wire.py), so that the sequences include the
states in between: a reading without its reply, half of the published messages received, a greenlet
that has yielded in the middle of its work.
"""

import time

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime.broker import Topic
from rtapp.realtime.frames import FORMATS

from ..faults.sizes import LONG
from ..faults.sizes import SIZES
from .clock import HOUR
from .clock import dumped
from .clock import kill
from .clock import restore
from .clock import start_without_data
from .machine import searched
from .machine import some_topics
from .machine import which
from .model import TOPICS
from .model import Reader
from .stepped import ACCOUNT
from .stepped import Stepped
from .stepped import step_by_step as step_by_step

TIMES = (1, 1000, -1, -10_000, 5 * HOUR, 13 * HOUR, 49 * HOUR)  # ms
MISHAPS = (
    "no_answer_arrives",
    "a_message_is_lost",
    "no_progress",
    "time_passes",
    "redis_is_killed_or_back",
    "redis_loses_everything",
    "redis_forgets_the_newest",
    "redis_evicts_something",
)

formats = st.sampled_from(FORMATS)

redis_is_there = precondition(lambda self: self.there)
the_pubsub_is_connected = precondition(lambda self: self.wire.pubsub)


class TheHub(Stepped):
    """Readers that are slow, disconnect and return, on a Redis that does the same."""

    @initialize(several=st.lists(st.tuples(some_topics, formats), max_size=3))
    def some_are_live(self, several):
        for topics, format in several:
            self.open(topics, format, None)
        for _ in range(8):
            self.one_round()

    @redis_is_there
    @rule(
        topics=some_topics,
        size=st.sampled_from([1, 3000, 10_000]),
        answered=st.booleans(),
        delivered=st.booleans(),
    )
    def publish(self, topics, size, answered, delivered):
        """Publish after or before the pending replies; the message arrives before them, or not."""
        if answered:
            self.wire.perform()
        self.publish_one(topics, size)
        if delivered:
            self.wire.move("connect")

    @redis_is_there
    @rule(
        topic=st.sampled_from(TOPICS),
        many=st.sampled_from([2, 5, 70]),
        keep=st.none() | st.integers(1, 3),
    )
    def publish_many(self, topic, many, keep):
        """Publish several events, optionally with a trim of the log."""
        for _ in range(many):
            self.publish_one([topic], 100)
        if keep is not None:
            self.log.trim(self.relay.redis, topic, keep)

    @redis_is_there
    @rule(topics=some_topics)
    def publish_reset(self, topics):
        self.publish_one_reset(topics)

    # Readers

    @precondition(lambda self: len(self.readers) < 5)
    @rule(topics=some_topics, format=formats, n=st.none() | which)
    def open(self, topics, format, n):
        """Open a stream, live or from the nth event."""
        events = self.log.events
        self.readers.append(Reader(self.engine, self.log, topics, format))
        self.readers[-1].open(events[n % len(events)].cursor if events and n is not None else None)
        self.wire.settle()

    @precondition(lambda self: self.readers)
    @rule(n=st.none() | which, limit=st.none() | st.integers(1, 5000))
    def read(self, n, limit):
        """Let one reader or all read; the others do not read."""
        chosen = self.readers if n is None else [self.readers[n % len(self.readers)]]
        for reader in chosen:
            reader.read(limit)
        self.wire.settle()

    @precondition(lambda self: self.readers)
    @rule(n=which, at=st.integers(0, 300) | st.integers(0, 5000), back=st.booleans())
    def cut_at_some_byte(self, n, at, back):
        reader = self.readers[n % len(self.readers)]
        if at:
            reader.read(at)
        reader.cut()
        self.wire.settle()
        if back:
            reader.open()
            self.wire.settle()

    @precondition(lambda self: any(reader.socket is None for reader in self.readers))
    @rule(n=which)
    def come_back(self, n):
        away = [reader for reader in self.readers if reader.socket is None]
        away[n % len(away)].open()
        self.wire.settle()

    # The hub and Redis

    @precondition(lambda self: self.wire.waiting("connect", "read", "turn"))
    @rule(n=which)
    def go_on(self, n):
        """Deliver a reply, or resume a greenlet that has yielded."""
        waiting = self.wire.waiting("connect", "read", "turn")
        self.wire.let(waiting[n % len(waiting)])

    @the_pubsub_is_connected
    @rule(most=st.none() | st.integers(1, 3))
    def deliver(self, most):
        self.wire.pubsub.deliver(most)

    @rule(kind=st.sampled_from(["connect", "read", "turn"]), rounds=st.integers(1, 3))
    def only_these_move(self, kind, rounds):
        """Advance only the pub/sub connection, the readings or the greenlets."""
        for _ in range(rounds):
            self.wire.move(kind)

    @rule(rounds=st.integers(1, 4), written=st.none() | some_topics)
    def everything_moves(self, rounds, written):
        """Events written meanwhile arrive before the replies that do not contain them."""
        for _ in range(rounds):
            if written is not None and self.there:
                self.wire.perform()
                self.publish_one(written, 1)
                self.wire.move("connect")
            self.wire.move()

    @redis_is_there
    @the_pubsub_is_connected
    @rule(
        lost=st.integers(0, 3),
        answered=st.booleans(),
        meanwhile=st.none() | some_topics,
        back=st.booleans(),
    )
    def cut_the_pubsub_connection(self, lost, answered, meanwhile, back):
        """An event may be published before the reconnect; the reconnect may precede other steps."""
        if answered:
            self.wire.perform()
        self.wire.pubsub.cut(lost)
        if meanwhile is not None:
            self.publish_one(meanwhile, 1)
        if back:
            for _ in range(4):
                self.wire.move("connect", "turn")

    @rule(patient=st.booleans())
    def heartbeat(self, patient):
        """Ping every stream, with an id if the hub gets it in time."""
        self.ping(patient)

    # Rare mishaps, in one rule

    @rule(what=st.sampled_from(MISHAPS), n=which)
    def mishap(self, what, n):
        getattr(self, what)(n)
        self.wire.settle()

    def no_answer_arrives(self, n):
        for step in self.wire.waiting("connect", "read")[: n % 5]:
            step.fail()

    def a_message_is_lost(self, n):
        if self.wire.pubsub:
            self.wire.pubsub.lose_one_of_two()

    def no_progress(self, n):
        """Unsubscribe topics without subscribers after 5 s; close blocked readers after 30 s."""
        self.engine.heartbeat.tick(time.monotonic() + (6, 31)[n % 2])

    def time_passes(self, n):
        """Advance the clock, or set it back."""
        if self.there:
            ms = TIMES[n % len(TIMES)]
            self.snapshot = None
            if ms < 0:
                self.clock.step(ms)
            else:
                self.clock.passes(ms)

    def redis_is_killed_or_back(self, n):
        if not self.there:
            if n % 2:
                self.server.start()
            else:
                start_without_data(self.server)
            self.there = True
            self.clock.set()
            self.look()
        elif not self.killed:
            self.killed, self.there = True, False
            kill(self.server, self.relay.redis)

    def redis_loses_everything(self, n):
        """Before the loss is detected, a stream may open and an event be published."""
        if self.there:
            self.relay.redis.flushall()
            self.clock.set()
            self.look()
            if n % 4 and 0 < len(self.readers) < 5:
                self.open(self.readers[n % len(self.readers)].topics, "json", None)
                for _ in range(4):
                    self.wire.move("read", "turn")
            if n % 3:
                self.publish_one(list(TOPICS), 1)

    def redis_forgets_the_newest(self, n):
        """Take a snapshot, or restore the last one, in turn."""
        if self.there and self.snapshot is None:
            self.snapshot = dumped(self.relay.redis, ACCOUNT)
        elif self.there:
            restore(self.relay.redis, ACCOUNT, self.snapshot)
            self.clock.passes(1)  # it takes that long at least
            self.look()
            self.snapshot = None

    def redis_evicts_something(self, n):
        """Evict a log, or the bookkeeping of all logs."""
        if self.there and n % 5 < len(TOPICS):
            self.clock.goes_on()
            self.look()
            self.log.evict(self.relay.redis, TOPICS[n % 5])
        elif self.there:
            self.relay.redis.delete(Topic(ACCOUNT, ("position", "heads")[n % 5 - 3]).channel)
            self.look()


@pytest.mark.timeout(14_400 if LONG else 600)  # Hypothesis shortens a failure for up to 300 s
def test_every_reader_receives_every_event_or_is_reset_in_random_sequences(server, step_by_step):
    TheHub.server = server
    run_state_machine_as_test(TheHub, settings=searched(SIZES.hub_examples, steps=40))
