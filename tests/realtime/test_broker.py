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


def test_a_key_goes_out_once(broker):
    start = broker.position(1)
    assert publish(broker, "k", "a") is True
    assert publish(broker, "k", "a") is False
    assert publish(broker, "l", "a") is True
    assert keys(broker.read(1, TOPICS, start)) == ["k", "l"]


def test_a_reading_is_all_that_followed_in_one_order(broker):
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


def test_a_long_reading_stops_where_every_topic_was_read(broker):
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


def test_lost_data_is_a_new_epoch(broker):
    publish(broker, "k", "a")
    before = broker.position(1)
    broker.redis.flushall()
    reading = broker.read(1, TOPICS, before)
    assert reading.position.epoch != before.epoch
    assert why_lost(before, reading) == "unknown_cursor"


def test_a_redis_that_forgot_its_newest_events_is_a_new_epoch(broker):
    publish(broker, "k", "a")
    old = broker.redis.get("rt:{1}:position")
    publish(broker, "l", "a")
    before = broker.position(1)
    broker.redis.set("rt:{1}:position", old)  # as after a restart from an older snapshot
    assert broker.position(1).epoch != before.epoch


def test_a_cursor_of_the_future_proves_nothing(broker):
    reading = broker.read(1, TOPICS, broker.position(1))
    future = reading.position._replace(ms=reading.now_ms + 60_000)
    assert why_lost(future, reading) == "unknown_cursor"
    assert why_lost(reading.position, reading) is None


def test_accounts_have_nothing_in_common(broker):
    start = broker.position(2)
    publish(broker, "k", "a")
    assert keys(broker.read(2, TOPICS, start)) == []
    assert isinstance(start, Cursor)


def test_listening_anew_is_possible_as_often_as_the_connection_is_lost(broker):
    most = broker.redis.connection_pool.max_connections
    assert most < 1_000, "then this shows nothing"
    for _ in range(most + 1):
        listener = broker.connect_pubsub()
        listener.send("PING", "here")
        assert listener.read()  # an answer
        listener.close()


@pytest.fixture
def afterwards(broker, redis):
    """Another process, after `broker` is gone: it knows what the database knows."""
    afterwards = Broker(redis.url, broker.high_water_marks.newest)
    yield afterwards
    afterwards.redis.close()


def test_a_redis_that_forgot_while_nobody_looked_is_found_out(broker, afterwards):
    """The power fails: Redis's file lacks the newest writes, and every process is a new one."""
    publish(broker, "k", "a")
    start = broker.position(1)
    dump = dumped(broker.redis, 1)
    publish(broker, "l", "a")
    restore(broker.redis, 1, dump)
    reading = afterwards.read(1, TOPICS, start)
    assert keys(reading) == []
    assert why_lost(start, reading) == "unknown_cursor"


def test_a_redis_that_forgot_nothing_goes_on_with_new_processes(broker, afterwards):
    publish(broker, "k", "a")
    start = broker.position(1)
    publish(broker, "l", "a")
    restore(broker.redis, 1, dumped(broker.redis, 1))
    reading = afterwards.read(1, TOPICS, start)
    assert keys(reading) == ["l"]
    assert why_lost(start, reading) is None


def test_whoever_knows_less_hides_nothing(broker, redis):
    """A process that knows of nothing asks first, and moves the account's position on."""
    publish(broker, "k", "a")
    dump = dumped(broker.redis, 1)
    publish(broker, "l", "a")
    before = broker.high_water_marks.newest(1)
    restore(broker.redis, 1, dump)
    unknowing = Broker(redis.url)
    assert unknowing.position(1).epoch == before.epoch, "then this shows nothing"
    eventually(lambda: unknowing.position(1) > before)
    unknowing.redis.close()
    publish(broker, "m", "a")
    assert broker.high_water_marks.newest(1).epoch != before.epoch


def test_what_outlives_redis_is_asked_once_and_again_when_redis_may_be_another(redis):
    asked = []
    broker = Broker(redis.url, lambda account_id: asked.append(account_id))
    broker.position(1), broker.position(1), broker.position(2)
    assert asked == [1, 2]
    broker.high_water_marks.invalidate()
    broker.position(1), broker.position(1)
    assert asked == [1, 2, 1]
    broker.redis.close()


def test_a_log_that_redis_evicted_is_said_to_be_lost(broker):
    """As a Redis with another `maxmemory-policy` than `noeviction` does when it is full."""
    publish(broker, "k", "a")
    start = broker.position(1)
    publish(broker, "l", "a")
    broker.redis.delete("rt:{1}:a")
    assert why_lost(start, broker.read(1, TOPICS, start)) == "history_lost"
    publish(broker, "m", "a")
    assert why_lost(start, broker.read(1, TOPICS, start)) == "history_lost"
    assert why_lost(start, broker.read(1, ["b"], start)) is None


def test_a_log_that_was_evicted_once_is_whole_for_whoever_comes_later(broker):
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
def test_that_logs_may_have_been_evicted_is_a_new_epoch(broker, key):
    publish(broker, "k", "a")
    before = broker.position(1)
    assert broker.redis.delete(f"rt:{{1}}:{key}") == 1
    assert broker.position(1).epoch != before.epoch


def test_topics_that_were_quiet_for_longer_than_the_retention_are_forgotten(broker):
    publish(broker, "k", "a", "b")
    long_ago = broker.now_ms() - RETENTION_MS - 1000
    broker.redis.zadd("rt:{1}:heads", {"rt:{1}:b": long_ago})
    before = broker.position(1)
    publish(broker, "l", "a")
    assert broker.redis.zrange("rt:{1}:heads", 0, -1) == [b"rt:{1}:a"]
    assert broker.position(1).epoch == before.epoch


def test_an_epoch_that_was_given_up_does_not_come_back(broker):
    """Redis loses everything, and somebody puts an old copy of its data back."""
    publish(broker, "k", "a")
    dump = dumped(broker.redis, 1)
    publish(broker, "l", "a")
    before = broker.position(1)
    broker.redis.flushall()
    between = broker.position(1)
    restore(broker.redis, 1, dump)
    assert len({before.epoch, between.epoch, broker.position(1).epoch}) == 3


def test_an_epoch_that_another_process_began_is_gone_on_in(broker, afterwards):
    publish(broker, "k", "a")
    broker.redis.flushall()
    begun = afterwards.position(1)
    assert begun.epoch != broker.high_water_marks.newest(1).epoch, "then this shows nothing"
    assert broker.position(1).epoch == begun.epoch


def test_more_commands_at_once_than_connections_wait_for_their_turn(broker):
    """A crowd is not "Redis is away"."""
    asked = [gevent.spawn(broker.position, 1) for _ in range(3 * MAX_CONNECTIONS)]
    gevent.joinall(asked, timeout=10, raise_error=True)
    assert all(greenlet.value is not None for greenlet in asked)
