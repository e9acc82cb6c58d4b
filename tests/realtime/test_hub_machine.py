"""Streams against the model of them in model.py, through sequences nobody thought of.

What the hub and Redis say to one another goes step by step (wire.py), so that the sequences are
also of what happens in between: a reading that was asked for and not yet answered, half of what
was published heard, a greenlet that has yielded in the middle of its work.
"""

import time

import gevent
import hypothesis.strategies as st
import pytest
from hypothesis.stateful import initialize
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime import heartbeat

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

formats = st.sampled_from(["json", "html", "turbo"])

redis_is_there = precondition(lambda self: self.there)
something_is_asked = precondition(lambda self: self.wire.waiting("connect", "read"))
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
    @rule(topics=some_topics, size=st.sampled_from([1, 3000, 20_000]))
    def publish(self, topics, size):
        self.publish_one(topics, size)

    @redis_is_there
    @rule(topic=st.sampled_from(TOPICS), many=st.integers(2, 70))
    def publish_many(self, topic, many):
        for _ in range(many):
            self.publish_one([topic], 100)

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

    # What goes on between the hub and Redis

    @something_is_asked
    @rule()
    def redis_does_what_it_was_asked(self):
        """And its answers are under way: what happens from now on is not in them."""
        for step in self.wire.waiting("connect", "read"):
            if not step.performed:
                step.perform()

    @something_is_asked
    @rule(n=which)
    def no_answer_arrives(self, n):
        asked = self.wire.waiting("connect", "read")
        asked[n % len(asked)].fail()

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

    @rule(rounds=st.integers(1, 4))
    def everything_moves(self, rounds):
        for _ in range(rounds):
            self.wire.move()

    @the_hub_listens
    @rule(lost=st.integers(0, 3), back=st.booleans())
    def cut_the_pubsub_connection(self, lost, back):
        self.wire.listener.cut(lost)
        if back:
            self.only_these_move("connect", 3)

    @the_hub_listens
    @rule()
    def a_message_is_lost(self):
        self.wire.listener.lose_one_of_two()

    @rule(patient=st.booleans())
    def heartbeat(self, patient):
        """Every stream is pinged: with an id, if the hub comes to know it in time."""
        heartbeat.PATIENCE = 1000 if patient else 0
        self.pings.append(gevent.spawn(self.hub._heartbeat.ping, set(self.hub.subscribers())))
        self.wire.settle()

    @rule(seconds=st.sampled_from([6, 31]))
    def no_progress(self, seconds):
        """After 5 s, topics without subscribers are left; after 30 s, stalled readers closed."""
        self.hub._heartbeat.tick(time.monotonic() + seconds)
        self.wire.settle()

    # What befalls Redis

    @redis_is_there
    @rule(topic=st.sampled_from(TOPICS), keep=st.integers(1, 3))
    def trim(self, topic, keep):
        self.log.trim(self.relay.redis, topic, keep)

    @redis_is_there
    @rule(ms=st.sampled_from([1, 1000, 5 * HOUR, 13 * HOUR, 49 * HOUR]))
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
        if data:
            self.server.start()
        else:
            start_without_data(self.server)
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


@pytest.mark.timeout(14_400 if LONG else 600)  # Hypothesis shortens a failure for up to 300 s
def test_every_reader_has_every_event_or_was_reset(server, step_by_step):
    TheHub.server = server
    run_state_machine_as_test(TheHub, settings=searched(SIZES.hub_examples, steps=40))
