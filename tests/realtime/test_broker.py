import gevent
import pytest

from rtapp.realtime.broker import MAX_CONNECTIONS
from rtapp.realtime.broker import READ_LIMIT
from rtapp.realtime.broker import RETENTION_MS
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.replay import why_lost

from ..support import eventually
from .clock import dumped
from .clock import restore

TOPICS = ["a", "b"]


def publish(broker, key, *topics):
    return broker.publish(1, key, "message.created", [(t, f'{{"n":"{key}"}}') for t in topics])


def keys(reading):
    return [message.body.decode().split('"')[3] for message in reading.merged()]


def test_an_event_with_a_used_key_is_not_published_again(broker):
    start = broker.position(1)
    assert publish(broker, "k", "a") is True
    assert publish(broker, "k", "a") is False
    assert publish(broker, "l", "a") is True
    assert keys(broker.read(1, TOPICS, start)) == ["k", "l"]


def test_a_reading_returns_all_later_events_in_publish_order(broker):
    start = broker.position(1)
    for n in range(10):
        publish(broker, str(n), TOPICS[n % 2])
    reading = broker.read(1, TOPICS, start)
    assert keys(reading) == [str(n) for n in range(10)]
    cursors = [m.cursor for m in reading.merged()]
    assert cursors == sorted(set(cursors))
    assert keys(broker.read(1, TOPICS, cursors[6])) == ["7", "8", "9"]
    assert reading.position >= cursors[-1]
    assert why_lost(start, reading) is None


def test_a_reading_over_the_limit_stops_where_all_topics_are_complete(broker):
    start = broker.position(1)
    for n in range(READ_LIMIT + 5):
        publish(broker, f"a{n}", "a")
    publish(broker, "b", "b")
    first = broker.read(1, TOPICS, start)
    assert not first.complete
    assert "b" not in keys(first)
    second = broker.read(1, TOPICS, first.merged()[-1].cursor)
    assert second.complete
    assert len(keys(first) + keys(second)) == READ_LIMIT + 6


def test_lost_data_in_redis_starts_a_new_epoch(broker):
    publish(broker, "k", "a")
    before = broker.position(1)
    broker.redis.flushall()
    reading = broker.read(1, TOPICS, before)
    assert reading.position.epoch != before.epoch
    assert why_lost(before, reading) == "unknown_cursor"


def test_a_redis_that_lost_its_newest_events_starts_a_new_epoch(broker):
    publish(broker, "k", "a")
    old = broker.redis.get("rt:{1}:position")
    publish(broker, "l", "a")
    before = broker.position(1)
    broker.redis.set("rt:{1}:position", old)  # as after a restart from an older snapshot
    assert broker.position(1).epoch != before.epoch


def test_a_cursor_of_the_future_is_unknown(broker):
    reading = broker.read(1, TOPICS, broker.position(1))
    future = reading.position._replace(ms=reading.now_ms + 60_000)
    assert why_lost(future, reading) == "unknown_cursor"
    assert why_lost(reading.position, reading) is None


def test_a_reading_of_one_account_has_no_events_of_another(broker):
    start = broker.position(2)
    publish(broker, "k", "a")
    assert keys(broker.read(2, TOPICS, start)) == []
    assert isinstance(start, Cursor)


def test_a_closed_pubsub_connection_takes_no_place_in_the_connection_pool(broker):
    limit = broker.redis.connection_pool.max_connections
    assert limit < 1_000, "the precondition does not hold"
    for _ in range(limit + 1):
        connection = broker.connect_pubsub()
        connection.send("PING", "here")
        assert connection.read()  # an answer
        connection.close()


@pytest.fixture
def afterwards(broker, redis):
    """In place of another process after `broker`: it loads the database's position."""
    afterwards = Broker(redis.url, lambda _: {1: broker.high_water_marks.newest(1)})
    yield afterwards
    afterwards.redis.close()


def test_a_new_process_detects_lost_events_by_the_database_position(broker, afterwards):
    """After a power failure, Redis's file lacks the newest writes, and every process is new."""
    publish(broker, "k", "a")
    start = broker.position(1)
    dump = dumped(broker.redis, 1)
    publish(broker, "l", "a")
    restore(broker.redis, 1, dump)
    reading = afterwards.read(1, TOPICS, start)
    assert keys(reading) == []
    assert why_lost(start, reading) == "unknown_cursor"


def test_a_new_process_resumes_in_the_same_epoch_if_redis_lost_nothing(broker, afterwards):
    publish(broker, "k", "a")
    start = broker.position(1)
    publish(broker, "l", "a")
    restore(broker.redis, 1, dumped(broker.redis, 1))
    reading = afterwards.read(1, TOPICS, start)
    assert keys(reading) == ["l"]
    assert why_lost(start, reading) is None


def test_a_process_without_the_position_does_not_hide_a_loss_from_the_others(broker, redis):
    """A process without a high-water mark reads first, and advances the account's position."""
    publish(broker, "k", "a")
    dump = dumped(broker.redis, 1)
    publish(broker, "l", "a")
    before = broker.high_water_marks.newest(1)
    restore(broker.redis, 1, dump)
    uninformed = Broker(redis.url)
    assert uninformed.position(1).epoch == before.epoch, "the precondition does not hold"
    eventually(lambda: uninformed.position(1) > before)
    uninformed.redis.close()
    publish(broker, "m", "a")
    assert broker.high_water_marks.newest(1).epoch != before.epoch


def test_the_database_position_is_loaded_once_per_account_and_again_after_invalidation(redis):
    loaded = []

    def load(account_ids):
        loaded.extend(account_ids)
        return {}

    broker = Broker(redis.url, load)
    for account_id in (1, 1, 2):
        broker.position(account_id)
    assert loaded == [1, 2]
    broker.high_water_marks.invalidate()
    for account_id in (1, 1):
        broker.position(account_id)
    assert loaded == [1, 2, 1]
    broker.redis.close()


def test_a_cursor_before_an_evicted_log_is_history_lost(broker):
    """A full Redis evicts with any `maxmemory-policy` but `noeviction`."""
    publish(broker, "k", "a")
    start = broker.position(1)
    publish(broker, "l", "a")
    broker.redis.delete("rt:{1}:a")
    assert why_lost(start, broker.read(1, TOPICS, start)) == "history_lost"
    publish(broker, "m", "a")
    assert why_lost(start, broker.read(1, TOPICS, start)) == "history_lost"
    assert why_lost(start, broker.read(1, ["b"], start)) is None


def test_a_cursor_after_an_evicted_log_is_complete(broker):
    publish(broker, "k", "a")
    broker.redis.delete("rt:{1}:a")
    evicted = broker.high_water_marks.newest(1)  # of its own millisecond, nothing would be sure
    eventually(lambda: broker.position(1).ms > evicted.ms)
    start = broker.position(1)
    assert why_lost(start, broker.read(1, TOPICS, start)) is None
    publish(broker, "l", "a")
    reading = broker.read(1, TOPICS, start)
    assert keys(reading) == ["l"]
    assert why_lost(start, reading) is None


@pytest.mark.parametrize("key", ["position", "heads"])
def test_evicted_bookkeeping_of_an_account_starts_a_new_epoch(broker, key):
    publish(broker, "k", "a")
    before = broker.position(1)
    assert broker.redis.delete(f"rt:{{1}}:{key}") == 1
    assert broker.position(1).epoch != before.epoch


def test_topics_quiet_for_longer_than_the_retention_are_removed_without_a_new_epoch(broker):
    publish(broker, "k", "a", "b")
    long_ago = broker.now_ms() - RETENTION_MS - 1000
    broker.redis.zadd("rt:{1}:heads", {"rt:{1}:b": long_ago})
    before = broker.position(1)
    publish(broker, "l", "a")
    assert broker.redis.zrange("rt:{1}:heads", 0, -1) == [b"rt:{1}:a"]
    assert broker.position(1).epoch == before.epoch


def test_an_abandoned_epoch_does_not_return_with_an_old_copy_of_the_data(broker):
    """Redis loses everything, then an old copy of its data is restored."""
    publish(broker, "k", "a")
    dump = dumped(broker.redis, 1)
    publish(broker, "l", "a")
    before = broker.position(1)
    broker.redis.flushall()
    between = broker.position(1)
    restore(broker.redis, 1, dump)
    assert len({before.epoch, between.epoch, broker.position(1).epoch}) == 3


def test_a_process_adopts_the_epoch_that_another_process_started(broker, afterwards):
    publish(broker, "k", "a")
    broker.redis.flushall()
    started = afterwards.position(1)
    assert started.epoch != broker.high_water_marks.newest(1).epoch, (
        "the precondition does not hold"
    )
    assert broker.position(1).epoch == started.epoch


def test_more_concurrent_commands_than_connections_wait_for_a_connection(broker):
    """Many commands at once must not be taken for an outage of Redis."""
    commands = [gevent.spawn(broker.position, 1) for _ in range(3 * MAX_CONNECTIONS)]
    gevent.joinall(commands, timeout=60, raise_error=True)
    assert all(greenlet.value is not None for greenlet in commands)
