"""Logs and streams against the model of them in model.py, through sequences nobody thought of.

HYPOTHESIS_PROFILE=soak looks for longer.
"""

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace

import gevent
import hypothesis.strategies as st
import pytest
from hypothesis import HealthCheck
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine
from hypothesis.stateful import invariant
from hypothesis.stateful import precondition
from hypothesis.stateful import rule
from hypothesis.stateful import run_state_machine_as_test

from rtapp.realtime.broker import READ_LIMIT
from rtapp.realtime.broker import RETENTION_MS
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.cursor import NOWHERE
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.hub import Hub
from rtapp.realtime.replay import why_lost
from rtapp.realtime.subscriber import State

from .model import TOPICS
from .model import Log
from .model import Reader
from .model import body
from .model import older
from .model import publish
from .model import render

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"
HOUR = 60 * 60 * 1000  # ms
PATIENCE = 15.0  # s for everyone to have everything

Dump = dict[bytes, tuple[int, bytes]]  # of each key, the ms that it has left and what DUMP says

accounts = itertools.count(1)  # each example has one of its own

some_topics = st.lists(st.sampled_from(TOPICS), min_size=1, max_size=3, unique=True)
which = st.integers(
    0, 1000
)  # one of the things that there are, as one of these modulo their number


def searched(examples: int, steps: int) -> settings:
    return settings(
        max_examples=examples * 30 if SOAK else examples,
        stateful_step_count=steps,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
        print_blob=True,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A redis-server for this file alone, because it is killed."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def kill(server: EmbeddedRedis, broker: Broker) -> None:
    """Kills redis-server as the kernel would, and starts it again on the data that it had.

    With "everysec" it may owe its file up to two seconds of acknowledged writes: what happens when
    they are lost is another rule's matter, `come_back_from_the_snapshot`.
    """
    broker.redis.config_set("appendfsync", "always")
    broker.redis.set("written", "up to here")
    os.kill(broker.redis.info("server")["process_id"], 9)
    server.stop()
    server.start()


def keys_of(broker: Broker, account_id: int) -> list[bytes]:
    return broker.redis.keys(Topic(account_id, "*").channel)


def next_millisecond(broker: Broker) -> None:
    """No server goes back to a snapshot within the millisecond in which it last wrote."""
    now = broker.now_ms()
    while broker.now_ms() <= now + 1:
        pass


class TheBroker(RuleBasedStateMachine):
    """Readings, by whatever cursor, of logs to which everything happens."""

    server: EmbeddedRedis

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker(self.server.url)
        self.log = Log(next(accounts))
        self.numbers = itertools.count()
        self.keys: dict[str, Cursor] = {}  # those that must not go out again, and their events
        self.cursors: list[Cursor] = []  # some that clients were given
        self.promised: Cursor | None = None  # nothing is ever published at or before this
        self.restarts = 0
        self.snapshot: tuple[Log, dict[str, Cursor], Cursor, Dump] | None = None
        self.look()

    def look(self) -> Cursor:
        position = self.broker.position(self.log.account_id)
        self.log.epoch = self.log.epoch or position.epoch
        assert position.epoch == self.log.epoch, "the epoch changes only when data was lost"
        assert self.promised is None or position >= self.promised
        self.promised = position
        return position

    def publish_one(self, topics: list[str], key: str) -> None:
        number = next(self.numbers)
        known = len(self.log.events)
        epoch = self.log.epoch
        assert publish(self.broker, self.log, key, topics, number, 10)
        assert self.log.epoch == epoch
        fresh = [event.cursor for event in self.log.events[known:]]
        assert len(fresh) == len(topics)
        assert self.promised is None or min(fresh) > self.promised
        self.keys[key] = fresh[-1]
        self.cursors.append(fresh[-1])

    @rule(topics=some_topics)
    def publish(self, topics):
        self.publish_one(topics, f"k{len(self.log.events)}-{next(self.numbers)}")

    @rule(topic=st.sampled_from(TOPICS), more=st.integers(0, 5))
    def publish_more_than_one_reading_returns(self, topic, more):
        for _ in range(READ_LIMIT + more):
            self.publish_one([topic], f"m{next(self.numbers)}")

    @precondition(lambda self: self.keys)
    @rule(n=which, topics=some_topics)
    def publish_again(self, n, topics):
        """A key that has gone out does not go out again, whatever it comes with."""
        key = sorted(self.keys)[n % len(self.keys)]
        before = [self.broker.redis.xlen(Topic(self.log.account_id, t).channel) for t in TOPICS]
        bodies = [(topic, body(topic, -1, 10)) for topic in topics]
        assert not self.broker.publish(self.log.account_id, key, "message.created", bodies)
        after = [self.broker.redis.xlen(Topic(self.log.account_id, t).channel) for t in TOPICS]
        assert before == after

    @rule()
    def take_position(self):
        self.cursors.append(self.look())

    @precondition(lambda self: self.cursors)
    @rule(n=which, topics=some_topics)
    def read(self, n, topics):
        """A reading returns exactly what followed, or a reason why it can't: nothing between."""
        start = cursor = self.cursors[n % len(self.cursors)]
        got, reason = [], None
        while True:
            reading = self.broker.read(self.log.account_id, topics, cursor)
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
            reading = self.broker.read(self.log.account_id, topics, cursor)
            assert why_lost(cursor, reading) == "unknown_cursor"

    @rule(topic=st.sampled_from(TOPICS), keep=st.integers(1, 3))
    def trim(self, topic, keep):
        self.log.trim(self.broker.redis, topic, keep)

    # Never 24 or 48 hours together: what is as old as the limit to the millisecond is not at stake.
    @rule(hours=st.sampled_from([5, 13, 49]))
    def time_passes(self, hours):
        """As seen from later: everything is older, and what has expired is gone."""
        ms, redis = hours * HOUR, self.broker.redis
        for key in keys_of(self.broker, self.log.account_id):
            left = redis.pttl(key)
            if 0 < left <= ms:
                redis.delete(key)
                continue
            if redis.type(key) == b"stream":
                entries = redis.xrange(key)
                redis.delete(key)
                for entry, fields in entries:
                    fields[b"p"] = aged(fields[b"p"], ms)
                    redis.xadd(key, fields, id=aged(entry, ms))
            elif key.endswith(b":last"):
                redis.set(key, aged(redis.get(key), ms))
            if left > 0:
                redis.pexpire(key, left - ms)
        self.log.passes(ms)
        self.cursors = [older(cursor, ms) for cursor in self.cursors]
        self.promised = older(self.promised, ms) if self.promised else None
        oldest = self.broker.now_ms() - RETENTION_MS
        self.keys = {k: older(c, ms) for k, c in self.keys.items() if older(c, ms).ms > oldest}
        self.snapshot = None
        self.another_process()

    @rule()
    def another_process(self):
        """Whoever begins now has seen nothing, and learns where things stand by looking."""
        self.broker.redis.close()
        self.broker = Broker(self.server.url)
        self.look()

    @precondition(lambda self: self.restarts < 1)
    @rule()
    def restart(self):
        self.restarts += 1
        kill(self.server, self.broker)
        self.look()

    @rule()
    def lose_everything(self):
        self.broker.redis.flushall()
        self.begin_anew(Log(self.log.account_id), {})

    @rule()
    def take_snapshot(self):
        position = self.look()
        dump = dumped(self.broker, self.log.account_id)
        copy = replace(self.log, events=list(self.log.events), trimmed=dict(self.log.trimmed))
        self.snapshot = (copy, dict(self.keys), position, dump)

    @precondition(lambda self: self.snapshot is not None)
    @rule()
    def come_back_from_the_snapshot(self):
        """What forgot something that this process knows begins a new epoch, and else goes on."""
        then, keys, position, dump = self.snapshot
        restore(self.broker, self.log.account_id, dump)
        if position == self.promised and then.events == self.log.events:
            self.log = then
            self.snapshot = None
            self.look()
            return
        self.begin_anew(then, keys)

    def begin_anew(self, log: Log, keys: dict[str, Cursor]) -> None:
        before = self.log.epoch
        self.log, self.keys, self.snapshot, self.promised = log, keys, None, None
        self.log.epoch, self.log.trimmed = "", {}
        self.look()
        assert self.log.epoch != before

    def teardown(self) -> None:
        keys = keys_of(self.broker, self.log.account_id)
        if keys:
            self.broker.redis.delete(*keys)
        self.broker.redis.close()


def aged(entry: bytes, ms: int) -> str:
    if entry == b"0-0":
        return "0-0"
    then, _, n = entry.decode().partition("-")
    return f"{int(then) - ms}-{n}"


@pytest.mark.timeout(7200 if SOAK else 120)
def test_a_reading_is_complete_or_says_why_not(server):
    TheBroker.server = server
    run_state_machine_as_test(TheBroker, settings=searched(examples=50, steps=30))


class TheHub(RuleBasedStateMachine):
    """Readers that dawdle, break off and come back, on a Redis that does the same."""

    server: EmbeddedRedis

    def __init__(self) -> None:
        super().__init__()
        self.broker = Broker(self.server.url)
        self.hub = Hub(self.broker, render, lambda subscription: subscription)
        self.hub.start()
        self.log = Log(next(accounts))
        self.numbers = itertools.count()
        self.readers: list[Reader] = []
        self.lost = False  # whether any stream may rightly be reset
        self.restarts = 0

    def publish_one(self, topics: list[str], size: int) -> None:
        number = next(self.numbers)
        publish(self.broker, self.log, f"k{number}", topics, number, size)

    @rule(topics=some_topics, size=st.sampled_from([1, 200, 3000, 20_000]))
    def publish(self, topics, size):
        self.publish_one(topics, size)

    @rule(
        topic=st.sampled_from(TOPICS), many=st.integers(2, 90), size=st.sampled_from([1, 200, 1000])
    )
    def publish_many(self, topic, many, size):
        for _ in range(many):
            self.publish_one([topic], size)

    @precondition(lambda self: len(self.readers) < 5)
    @rule(topics=some_topics, format=st.sampled_from(["json", "json", "html", "turbo"]))
    def open(self, topics, format):
        reader = Reader(self.hub, self.log.account_id, topics, format)
        reader.open()
        self.readers.append(reader)

    @precondition(lambda self: len(self.readers) < 5 and self.log.events)
    @rule(topics=some_topics, n=which)
    def open_from_an_earlier_event(self, topics, n):
        reader = Reader(self.hub, self.log.account_id, topics, "json")
        reader.open(self.log.events[n % len(self.log.events)].cursor)
        self.readers.append(reader)

    @precondition(lambda self: self.readers)
    @rule(n=which, limit=st.none() | st.integers(1, 5000))
    def read(self, n, limit):
        """Whoever is not chosen here has stopped reading."""
        self.readers[n % len(self.readers)].read(limit)

    @precondition(lambda self: self.readers)
    @rule(n=which, at=st.integers(0, 300) | st.integers(0, 5000))
    def cut_at_some_byte(self, n, at):
        reader = self.readers[n % len(self.readers)]
        if at:
            reader.read(at)
        reader.cut()

    @precondition(lambda self: any(reader.socket is None for reader in self.readers))
    @rule(n=which)
    def come_back(self, n):
        away = [reader for reader in self.readers if reader.socket is None]
        away[n % len(away)].open()

    @rule(turns=st.integers(1, 20))
    def others_get_their_turn(self, turns):
        for _ in range(turns):
            gevent.sleep(0)

    @rule()
    def everyone_reads_until_nothing_comes(self):
        for _ in range(20):
            gevent.sleep(0)
            for reader in self.readers:
                reader.read()

    @rule()
    def heartbeat(self):
        self.hub._heartbeat.ping(set(self.hub.subscribers()))

    @rule()
    def cut_the_pubsub_connection(self):
        self.broker.redis.client_kill_filter(_type="pubsub")

    @rule(topic=st.sampled_from(TOPICS), keep=st.integers(1, 3))
    def trim(self, topic, keep):
        self.log.trim(self.broker.redis, topic, keep)
        self.lost = self.lost or bool(self.log.trimmed)

    @precondition(lambda self: self.restarts < 1)
    @rule()
    def restart(self):
        self.restarts += 1
        kill(self.server, self.broker)

    @rule()
    def lose_everything(self):
        self.lost = True
        self.broker.redis.flushall()

    @invariant()
    def nobody_was_told_anything_wrong(self):
        for reader in self.readers:
            reader.check(self.log)
            assert self.lost or not reader.resets, "a stream was reset though nothing was lost"

    def teardown(self) -> None:
        try:
            self.everybody_has_everything()
        finally:
            for reader in self.readers:
                reader.cut()
            self.hub.stop()
            keys = keys_of(self.broker, self.log.account_id)
            if keys:
                self.broker.redis.delete(*keys)
            self.broker.redis.close()

    def everybody_has_everything(self) -> None:
        for topic in TOPICS:  # so that whoever listens hears that something was lost
            self.publish_one([topic], 1)
        deadline = time.monotonic() + PATIENCE
        while not all(reader.has_everything(self.log) for reader in self.readers):
            assert time.monotonic() < deadline, [
                (reader.topics, reader.segments, reader.subscriber.state) for reader in self.readers
            ]
            for reader in self.readers:
                if reader.socket is None:
                    reader.open()
                reader.read()
            self.nobody_was_told_anything_wrong()
            gevent.sleep(0.001)
        for _ in range(10):  # and nothing comes after it
            gevent.sleep(0)
            for reader in self.readers:
                reader.read()
        assert all(reader.has_everything(self.log) for reader in self.readers)
        self.nobody_was_told_anything_wrong()


@pytest.mark.timeout(7200 if SOAK else 120)
def test_every_reader_has_every_event_or_was_reset(server):
    TheHub.server = server
    run_state_machine_as_test(TheHub, settings=searched(examples=50, steps=30))


@pytest.fixture
def hub(server):
    broker = Broker(server.url)
    hub = Hub(broker, render, lambda subscription: subscription)
    hub.start()
    yield hub
    hub.stop()
    broker.redis.close()


@pytest.mark.xfail(strict=True, reason="stream.open's id is taken for the reset's acknowledgement")
def test_no_cut_hides_a_reset(hub):
    """Wherever the connection breaks: who came with a lost cursor hears that it is lost."""
    lost = Cursor("lost", 1, 0)
    log = Log(next(accounts))
    publish(hub.broker, log, "k", ["a"], 1, 1)
    unaware, told_at_once = [], 0
    for at in range(0, 300, 4):
        reader = Reader(hub, log.account_id, ["a"], "json")
        reader.open(lost)
        wait_until(lambda reader=reader: reader.subscriber.state is State.LIVE)
        reader.read(at)
        reader.cut()
        told_at_once += reader.resets
        reader.open(lost)
        wait_until(lambda reader=reader: reader.subscriber.state is State.LIVE)
        reader.read()
        reader.cut()
        if not reader.resets:
            unaware.append(at)
    assert 0 < told_at_once < 75, "some of the cuts came before the reset, some after it"
    assert unaware == []


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        gevent.sleep(0.001)


def dumped(broker: Broker, account_id: int) -> Dump:
    """All keys of an account, as a snapshot has them, with the ms that they have left."""
    redis = broker.redis
    keys = keys_of(broker, account_id)
    return {key: (max(0, redis.pttl(key)), redis.dump(key)) for key in keys}


def restore(broker: Broker, account_id: int, dump: Dump) -> None:
    """What a server has that comes back from that snapshot."""
    next_millisecond(broker)
    broker.redis.delete(*keys_of(broker, account_id))
    for key, (left, value) in dump.items():
        broker.redis.restore(key, left, value)


@pytest.mark.xfail(strict=True, reason="only a process that knew more finds out")
def test_a_redis_that_forgot_while_nobody_looked_is_found_out(hub, server):
    """The power fails: Redis's file lacks the newest writes, and every hub is a new one."""
    log = Log(next(accounts))
    publish(hub.broker, log, "k1", ["a"], 1, 1)
    start = log.events[-1].cursor
    dump = dumped(hub.broker, log.account_id)
    publish(hub.broker, log, "k2", ["a"], 2, 1)
    restore(hub.broker, log.account_id, dump)
    afterwards = Broker(server.url)
    reading = afterwards.read(log.account_id, ["a"], start)
    afterwards.redis.close()
    assert reading.merged() == []
    assert why_lost(start, reading) == "unknown_cursor"


@pytest.mark.xfail(strict=True, reason="a log that is gone looks like a topic without events")
def test_a_log_that_redis_evicted_is_said_to_be_lost(hub):
    """As a Redis with `maxmemory-policy volatile-lru` does when it is full."""
    log = Log(next(accounts))
    publish(hub.broker, log, "k1", ["a"], 1, 1)
    start = log.events[-1].cursor
    publish(hub.broker, log, "k2", ["a"], 2, 1)
    hub.broker.redis.delete(Topic(log.account_id, "a").channel)
    publish(hub.broker, log, "k3", ["a"], 3, 1)
    assert why_lost(start, hub.broker.read(log.account_id, ["a"], start)) == "history_lost"
