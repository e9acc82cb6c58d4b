"""Limits on streams, over several processes: each has a StreamCounts, on one real Redis."""

import gevent
import pytest

from rtapp.realtime.broker import ALIVE
from rtapp.realtime.broker import STREAMS
from rtapp.realtime.broker import Broker
from rtapp.realtime.stream_counts import Limit
from rtapp.realtime.stream_counts import StreamCounts
from rtapp.realtime.subscriber import Subscription

from ..faults.redis_server import RedisServer
from ..support import eventually

STREAM = Subscription(1, (), (), user_id=42, address="192.0.2.1")
OTHER = Subscription(1, (), (), user_id=43)
USER = "user:42"


@pytest.fixture
def processes(redis):
    """Makes processes that share a Redis."""
    brokers = []

    def make():
        brokers.append(Broker(redis.url))
        return StreamCounts(brokers[-1])

    broker = Broker(redis.url)
    broker.redis.flushall()
    yield make
    for each in (broker, *brokers):
        each.redis.close()
        each.for_requests.redis.close()


def taken(counts, most, number, subscription=STREAM):
    """How many of `number` streams are counted, and their reservations."""
    asked = (counts.reserve(subscription, [Limit(USER, most)]) for _ in range(number))
    return [reservation for reservation in asked if reservation is not None]


def keep(reservations):
    """As the hub does when it opens a stream."""
    for reservation in reservations:
        reservation.keep()
    return len(reservations)


def test_a_limit_counts_the_streams_of_all_processes(processes):
    one, two = processes(), processes()
    assert keep(taken(one, 3, 2)) == 2
    assert keep(taken(two, 3, 5)) == 1
    assert taken(one, 3, 1) == []
    assert (one.own(USER), two.own(USER)) == (2, 1)


def test_of_many_streams_that_are_asked_for_at_once_exactly_the_limit_is_counted(processes):
    both = [processes(), processes()]
    jobs = [gevent.spawn(taken, counts, 7, 1) for _ in range(20) for counts in both]
    gevent.joinall(jobs, raise_error=True)
    assert sum(keep(job.value) for job in jobs) == 7
    assert sum(counts.own(USER) for counts in both) == 7


def test_each_of_two_limits_refuses_alone_and_a_refused_stream_counts_for_neither(processes):
    one, two = processes(), processes()

    def reserve(counts, most_of_user, most_of_address):
        limits = [Limit(USER, most_of_user), Limit("address:192.0.2.1", most_of_address)]
        reservation = counts.reserve(STREAM, limits)
        return reservation is not None and bool(keep([reservation]))

    assert [reserve(one, 9, 2) for _ in range(2)] == [True, True]
    assert not reserve(two, 9, 2)  # by its address
    assert not reserve(two, 2, 9)  # by its user
    assert two.own(USER) == two.own("address:192.0.2.1") == 0
    assert reserve(two, 3, 3)


def test_a_closed_stream_is_one_more_for_another_process_as_soon_as_redis_is_notified(processes):
    one, two = processes(), processes()
    assert keep(taken(one, 1, 1)) == 1
    assert taken(two, 1, 1) == []
    one.release(STREAM)
    assert len(one) == 0
    one.renew()
    assert keep(taken(two, 1, 1)) == 1


def test_a_stream_that_is_never_opened_is_given_back(processes):
    one, two = processes(), processes()
    reserved = taken(one, 1, 1)
    assert one.own(USER) == 1
    del reserved
    assert one.own(USER) == 0
    one.renew()
    assert keep(taken(two, 1, 1)) == 1


def test_a_limit_of_0_is_none_and_costs_no_command(processes):
    counts = processes()
    calls = counts._broker.redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    assert keep(taken(counts, 0, 100)) == 100
    after = counts._broker.redis.info("commandstats").get("cmdstat_evalsha", {"calls": 0})["calls"]
    assert after == calls


def test_the_streams_of_a_process_whose_lease_has_ended_do_not_count(processes):
    one, two = processes(), processes()
    assert keep(taken(one, 2, 2)) == 2
    redis = one._broker.redis
    redis.zadd(ALIVE, dict.fromkeys(redis.zrange(ALIVE, 0, -1), 1))  # killed, 20 s later
    assert keep(taken(two, 2, 3)) == 2
    assert redis.hlen(f"{STREAMS}{USER}") == 1  # its number is removed


def test_a_process_that_was_paused_for_longer_than_its_lease_counts_again(processes):
    one, two = processes(), processes()
    assert keep(taken(one, 2, 2)) == 2
    redis = one._broker.redis
    redis.zadd(ALIVE, dict.fromkeys(redis.zrange(ALIVE, 0, -1), 1))
    assert two.reserve(OTHER, [Limit("user:43", 1)]) is not None  # the lapsed lease is found
    one.renew()  # finds that it has lapsed
    one.renew()
    assert taken(two, 2, 1) == []


def test_a_redis_that_lost_its_data_has_all_numbers_again_after_the_next_renewals(processes):
    one, two = processes(), processes()
    assert keep(taken(one, 3, 2)) == 2
    one._broker.redis.flushall()
    one.renew()
    one.renew()
    assert keep(taken(two, 3, 3)) == 1


def test_without_redis_a_process_counts_its_own_and_all_count_again_when_it_is_back(tmp_path):
    folder = tmp_path / "redis"
    folder.mkdir()
    server = RedisServer(folder)
    server.start()
    brokers = [Broker(server.url), Broker(server.url)]
    one, two = (StreamCounts(broker) for broker in brokers)
    try:
        assert keep(taken(one, 3, 1)) == 1
        server.kill()
        assert keep(taken(one, 3, 5)) == 2
        assert keep(taken(two, 3, 5)) == 3  # six in all: neither knows of the other
        server.start()
        eventually(lambda: brokers[0].redis.ping())

        def both_are_known():
            one.renew()
            two.renew()
            return brokers[0].redis.hgetall(f"{STREAMS}{USER}").values()

        eventually(lambda: sorted(both_are_known()) == [b"3", b"3"])
        two.release(STREAM)
        two.renew()
        assert taken(two, 3, 1) == []  # five in all
    finally:
        for broker in brokers:
            broker.redis.close()
            broker.for_requests.redis.close()
        server.stop()


def test_a_request_that_is_killed_while_it_waits_keeps_no_stream_and_holds_up_no_other(processes):
    counts = processes()
    counts._one_at_a_time.acquire()  # a call to Redis is under way
    killed = gevent.spawn(taken, counts, 5, 1)
    waiting = gevent.spawn(taken, counts, 5, 1)
    gevent.sleep(0)
    killed.kill()
    # The lock is of this greenlet.
    counts._one_at_a_time.release()
    waiting.join(60)
    assert keep(waiting.value) == 1
    assert counts.own(USER) == 1
