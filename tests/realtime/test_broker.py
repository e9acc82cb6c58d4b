import pytest

from rtapp.realtime.broker import READ_LIMIT
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.replay import why_lost

TOPICS = ["a", "b"]


@pytest.fixture
def broker(redis):
    broker = Broker(redis.url)
    broker.redis.flushall()
    yield broker
    broker.redis.close()


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
    old = broker.redis.get("rt:{1}:last")
    publish(broker, "l", "a")
    before = broker.position(1)
    broker.redis.set("rt:{1}:last", old)  # as after a restart from an older snapshot
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
        listener = broker.listener()
        listener.send("PING", "here")
        assert listener.read()  # an answer
        listener.close()
