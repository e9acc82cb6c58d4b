"""Streams against the model of them in model.py, through sequences nobody thought of.

What the hub and Redis say to one another goes step by step (wire.py), so that the sequences are
also of what happens in between: a reading that was asked for and not yet answered, half of what
was published heard, a greenlet that has yielded in the middle of its work.
"""

import time

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime.broker import Topic

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

formats = st.sampled_from(["json", "html", "turbo"])

redis_is_there = precondition(lambda self: self.there)
the_hub_listens = precondition(lambda self: self.wire.listener)


class TheHub(Stepped):
    """Readers that dawdle, break off and come back, on a Redis that does the same."""

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
        heard=st.booleans(),
    )
    def publish(self, topics, size, answered, heard):
        """After the answers that are under way, or before them; heard before these, or not."""
        if answered:
            self.wire.perform()
        self.publish_one(topics, size)
        if heard:
            self.wire.move("connect")

    @redis_is_there
    @rule(
        topic=st.sampled_from(TOPICS),
        many=st.sampled_from([2, 5, 70]),
        keep=st.none() | st.integers(1, 3),
    )
    def publish_many(self, topic, many, keep):
        """So many that Redis trims the log, or not so many."""
        for _ in range(many):
            self.publish_one([topic], 100)
        if keep is not None:
            self.log.trim(self.relay.redis, topic, keep)

    # What readers do

    @precondition(lambda self: len(self.readers) < 5)
    @rule(topics=some_topics, format=formats, n=st.none() | which)
    def open(self, topics, format, n):
        """From now on, or from the nth event."""
        known = self.log.events
        self.readers.append(Reader(self.hub, self.log, topics, format))
        self.readers[-1].open(known[n % len(known)].cursor if known and n is not None else None)
        self.wire.settle()

    @precondition(lambda self: self.readers)
    @rule(n=st.none() | which, limit=st.none() | st.integers(1, 5000))
    def read(self, n, limit):
        """Whoever is not chosen here has stopped reading."""
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

    # What goes on between the hub and Redis

    @precondition(lambda self: self.wire.waiting("connect", "read", "turn"))
    @rule(n=which)
    def go_on(self, n):
        """An answer arrives, or a greenlet that has yielded gets its turn."""
        waiting = self.wire.waiting("connect", "read", "turn")
        self.wire.let(waiting[n % len(waiting)])

    @the_hub_listens
    @rule(most=st.none() | st.integers(1, 3))
    def hear(self, most):
        self.wire.listener.hear(most)

    @rule(kind=st.sampled_from(["connect", "read", "turn"]), rounds=st.integers(1, 3))
    def only_these_move(self, kind, rounds):
        """The pub/sub connection is quick, or the readings are, or the greenlets."""
        for _ in range(rounds):
            self.wire.move(kind)

    @rule(rounds=st.integers(1, 4), written=st.none() | some_topics)
    def everything_moves(self, rounds, written):
        """Whatever is written meanwhile is heard before the answers that do not have it yet."""
        for _ in range(rounds):
            if written is not None and self.there:
                self.wire.perform()
                self.publish_one(written, 1)
                self.wire.move("connect")
            self.wire.move()

    @redis_is_there
    @the_hub_listens
    @rule(
        lost=st.integers(0, 3),
        answered=st.booleans(),
        meanwhile=st.none() | some_topics,
        back=st.booleans(),
    )
    def cut_the_pubsub_connection(self, lost, answered, meanwhile, back):
        """Something may be published before it is back; and it may be back before anything else."""
        if answered:
            self.wire.perform()
        self.wire.listener.cut(lost)
        if meanwhile is not None:
            self.publish_one(meanwhile, 1)
        if back:
            for _ in range(4):
                self.wire.move("connect", "turn")

    @rule(patient=st.booleans())
    def heartbeat(self, patient):
        """Every stream is pinged: with an id, if the hub comes to know it in time."""
        self.ping(patient)

    # What rarely happens, and so has one rule

    @rule(what=st.sampled_from(MISHAPS), n=which)
    def mishap(self, what, n):
        getattr(self, what)(n)
        self.wire.settle()

    def no_answer_arrives(self, n):
        for step in self.wire.waiting("connect", "read")[: n % 5]:
            step.fail()

    def a_message_is_lost(self, n):
        if self.wire.listener:
            self.wire.listener.lose_one_of_two()

    def no_progress(self, n):
        """After 5 s, topics without subscribers are left; after 30 s, stalled readers closed."""
        self.hub.heartbeat.tick(time.monotonic() + (6, 31)[n % 2])

    def time_passes(self, n):
        """Or the clock is put back."""
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
        """And somebody may come, and something be published, before anybody notices."""
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
        """Every other time, a snapshot is taken; else Redis comes back with that."""
        if self.there and self.snapshot is None:
            self.snapshot = dumped(self.relay.redis, ACCOUNT)
        elif self.there:
            restore(self.relay.redis, ACCOUNT, self.snapshot)
            self.clock.passes(1)  # it takes that long at least
            self.look()
            self.snapshot = None

    def redis_evicts_something(self, n):
        """A log, or what is known of all of them."""
        if self.there and n % 5 < len(TOPICS):
            self.clock.goes_on()
            self.look()
            self.log.evict(self.relay.redis, TOPICS[n % 5])
        elif self.there:
            self.relay.redis.delete(Topic(ACCOUNT, ("position", "heads")[n % 5 - 3]).channel)
            self.look()


@pytest.mark.timeout(14_400 if LONG else 600)  # Hypothesis shortens a failure for up to 300 s
def test_every_reader_has_every_event_or_was_reset(server, step_by_step):
    TheHub.server = server
    run_state_machine_as_test(TheHub, settings=searched(SIZES.hub_examples, steps=40))
