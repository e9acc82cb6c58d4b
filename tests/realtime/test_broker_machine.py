"""Readings of logs against their model in model.py, through random sequences."""

import itertools
from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime.broker import READ_LIMIT
from rtapp.realtime.broker import RETENTION_MS
from rtapp.realtime.broker import Topic
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.replay import why_lost

from ..faults.sizes import LONG
from ..faults.sizes import SIZES
from .clock import HOUR
from .clock import Clock
from .clock import Dump
from .clock import TimedBroker
from .clock import dumped
from .clock import kill
from .clock import restore
from .clock import start_without_data
from .machine import searched
from .machine import some_topics
from .machine import which
from .model import TOPICS
from .model import Log
from .model import body

ACCOUNT = 1


class TheBroker(RuleBasedStateMachine):
    """Readings by any cursor of logs that are trimmed, evicted, lost and restored."""

    server: EmbeddedRedis

    def __init__(self) -> None:
        super().__init__()
        self.broker = TimedBroker(self.server.url)
        self.broker.redis.flushall()
        self.clock = Clock(self.broker, ACCOUNT)
        self.log = Log(ACCOUNT)
        self.numbers = itertools.count()
        self.keys: dict[str, int] = {}  # used keys, with the ms for which they are kept
        self.cursors: list[Cursor] = []  # some of those given out to clients
        self.promised: Cursor | None = None  # no event is ever published at or before this
        self.restarts = 0
        self.snapshot: tuple[Log, dict[str, int], Cursor, Dump] | None = None
        self.look()

    def look(self) -> Cursor:
        position = self.broker.position(ACCOUNT)
        self.log.goes_on_in(self.log.epoch or position.epoch)
        assert position.epoch == self.log.epoch, "the epoch changes only when data was lost"
        assert self.promised is None or position >= self.promised
        self.promised = position
        return position

    def publish_one(self, topics: list[str]) -> None:
        number = next(self.numbers)
        before = len(self.log.events)
        epoch = self.log.epoch
        self.log.publish(self.broker, f"k{number}", topics, number, 10)
        assert self.log.epoch == epoch
        fresh = [event.cursor for event in self.log.events[before:]]
        assert len(fresh) == len(topics)
        assert self.promised is None or min(fresh) > self.promised
        self.keys[f"k{number}"] = RETENTION_MS
        self.cursors.append(fresh[-1])

    @rule(topics=some_topics)
    def publish(self, topics):
        self.publish_one(topics)

    @rule(topic=st.sampled_from(TOPICS), more=st.integers(0, 5))
    def publish_more_than_one_reading_returns(self, topic, more):
        for _ in range(READ_LIMIT + more):
            self.publish_one([topic])

    @precondition(lambda self: self.keys)
    @rule(n=which, topics=some_topics)
    def publish_again(self, n, topics):
        """An event with a used key is not published, whatever its topics."""
        key = list(self.keys)[n % len(self.keys)]
        before = [self.broker.redis.xlen(Topic(ACCOUNT, topic).channel) for topic in TOPICS]
        bodies = [(topic, body(topic, -1, 10)) for topic in topics]
        assert not self.broker.publish(ACCOUNT, key, "message.created", bodies)
        after = [self.broker.redis.xlen(Topic(ACCOUNT, topic).channel) for topic in TOPICS]
        assert before == after

    @rule()
    def take_position(self):
        self.cursors.append(self.look())

    @precondition(lambda self: self.cursors)
    @rule(n=which, topics=some_topics)
    def read(self, n, topics):
        """A reading returns exactly the later events, or a reason for a loss and no event."""
        start = cursor = self.cursors[n % len(self.cursors)]
        got, reason = [], None
        while True:
            reading = self.broker.read(ACCOUNT, topics, cursor)
            assert reading.position.epoch == self.log.epoch
            reason = why_lost(cursor, reading)
            messages = [] if reason else reading.merged()
            got.extend(messages)
            if reason or reading.complete:
                break
            assert messages, "a reading that is not complete goes forward"
            cursor = messages[-1].cursor
        assert reason == self.log.why_lost(start, topics, reading.now_ms)
        if reason:
            assert not got, "never a partial replay"
            return
        expected = self.log.after(start, topics)
        assert [message.cursor for message in got] == [event.cursor for event in expected]
        assert [m.body.decode() for m in got] == [body(e.topic, e.number, 10) for e in expected]
        assert all(reading.position >= message.cursor for message in got)
        self.cursors.append(reading.position)
        self.promised = max(reading.position, self.promised or reading.position)

    @rule(topics=some_topics, ahead=st.integers(60_000, 10**12), epoch=st.sampled_from("ox"))
    def read_from_a_cursor_never_given(self, topics, ahead, epoch):
        position = self.look()
        for cursor in (
            NOWHERE,
            position._replace(epoch=epoch),
            position._replace(ms=position.ms + ahead),
        ):
            reading = self.broker.read(ACCOUNT, topics, cursor)
            assert why_lost(cursor, reading) == "unknown_cursor"

    @rule(topic=st.sampled_from(TOPICS), keep=st.integers(1, 3))
    def trim(self, topic, keep):
        self.log.trim(self.broker.redis, topic, keep)

    # Sums never reach exactly 24 or 48 hours: an age equal to a limit is not tested.
    @rule(ms=st.sampled_from([1, 2, 1000, 5 * HOUR, 13 * HOUR, 49 * HOUR]))
    def time_passes(self, ms):
        self.clock.passes(ms)
        self.keys = {key: left - ms for key, left in self.keys.items() if left > ms}
        self.snapshot = None

    @rule(ms=st.integers(1, 10_000))
    def the_clock_is_put_back(self, ms):
        self.clock.step(-ms)

    def begin_another_process(self) -> None:
        """Start without high-water marks, but with the newest position from the database."""
        newest = self.broker.high_water_marks.newest(ACCOUNT)
        self.broker.redis.close()
        self.broker = TimedBroker(self.server.url, lambda _: {ACCOUNT: newest})
        self.clock.redis = self.broker.redis

    @rule()
    def another_process(self):
        """A new process reads the position."""
        self.begin_another_process()
        self.look()

    @rule(topic=st.sampled_from(TOPICS))
    def evict_a_log(self, topic):
        self.clock.goes_on()
        self.look()
        self.log.evict(self.broker.redis, topic)

    @precondition(lambda self: self.log.after(Cursor(self.log.epoch, 0, 0), TOPICS))
    @rule(name=st.sampled_from(["position", "heads"]))
    def evict_what_is_known_of_all(self, name):
        self.broker.redis.delete(Topic(ACCOUNT, name).channel)
        self.begin_anew(self.log, self.keys)

    @precondition(lambda self: self.restarts < 1)
    @rule()
    def restart(self):
        self.restarts += 1
        kill(self.server, self.broker.redis)
        self.server.start()
        self.look()

    @precondition(lambda self: self.restarts < 1)
    @rule()
    def restart_without_data(self):
        self.restarts += 1
        kill(self.server, self.broker.redis)
        start_without_data(self.server)
        self.begin_anew(Log(ACCOUNT), {})

    @rule()
    def lose_everything(self):
        self.broker.redis.flushall()
        self.begin_anew(Log(ACCOUNT), {})

    @rule()
    def take_snapshot(self):
        position = self.look()
        dump = dumped(self.broker.redis, ACCOUNT)
        copy = replace(self.log, events=list(self.log.events), trimmed=dict(self.log.trimmed))
        self.snapshot = (copy, dict(self.keys), position, dump)

    @precondition(lambda self: self.snapshot is not None)
    @rule(nobody_looked=st.booleans())
    def come_back_from_the_snapshot(self, nobody_looked):
        """A snapshot that lacks an event or a position this process observed starts a new epoch."""
        then, keys, position, dump = self.snapshot
        restore(self.broker.redis, ACCOUNT, dump)
        if nobody_looked:
            self.begin_another_process()
            self.clock.goes_on()
        in_place = nobody_looked or position == self.promised
        if in_place and then.epoch == self.log.epoch and then.events == self.log.events:
            self.log = then
            self.snapshot = None
            self.look()
            return
        self.begin_anew(then, keys)

    def begin_anew(self, log: Log, keys: dict[str, int]) -> None:
        before = self.log.epoch
        self.log, self.keys, self.snapshot, self.promised = log, keys, None, None
        self.log.epoch = ""
        self.clock.set()
        self.look()
        assert self.log.epoch != before

    def teardown(self) -> None:
        self.broker.redis.close()


@pytest.mark.timeout(14_400 if LONG else 600)  # Hypothesis shortens a failure for up to 300 s
def test_a_reading_is_complete_or_has_a_reason_for_a_loss_in_random_sequences(server):
    TheBroker.server = server
    run_state_machine_as_test(TheBroker, settings=searched(SIZES.broker_examples, steps=30))
