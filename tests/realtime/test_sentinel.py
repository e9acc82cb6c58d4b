"""REDIS_URL of Sentinel: real servers, a failover, and what was written last and is lost."""

import pytest
from redis.exceptions import RedisError

from rtapp.realtime.broker import Broker
from rtapp.realtime.diagnosis import diagnose

from ..harness.redis_nodes import Replicated
from ..support import eventually
from .test_hub import live
from .test_two_servers import Host
from .test_two_servers import Record

LOG = "rt:{1}:a"


@pytest.fixture
def replicated(tmp_path):
    servers = Replicated(tmp_path)
    servers.start()
    yield servers
    servers.stop()


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def host(replicated, record):
    host = Host(replicated.url, record)
    yield host
    host.close()


def current(host):
    """Whether a heartbeat proves that the streams have every event."""
    host.reader.read()  # or its socket is full
    host.engine.heartbeat.ping({host.reader.subscriber})
    problem = host.engine.heartbeat.problem
    return live(host.reader) and (problem is None or problem.name == "redis_lost_events")


def attempt(url):
    """What a command at the address raises, in words for operators."""
    broker = Broker(url)
    try:
        broker.redis.ping()
    except RedisError as error:
        return diagnose(error)
    finally:
        broker.redis.close()
    return None


def publish(host, record, number):
    """Publish as soon as there is a master that takes it, as the relay does."""

    def published():
        try:
            record.publish(host.broker, number)
        except RedisError:
            return False
        return True

    eventually(published, "the event is published")


def test_streams_follow_a_failover_with_every_event_in_order_or_one_reset(replicated, record, host):
    """What a heartbeat writes to the old master until it is told to be a replica is lost."""
    old = replicated.master()
    publish(host, record, 1)
    eventually(lambda: replicated.replica().client.xlen(LOG) == 1, "the replica has the event")
    replicated.fail_over()
    assert replicated.master() is not old, "the precondition does not hold"
    publish(host, record, 2)
    eventually(lambda: current(host), "the host is at the new master")
    publish(host, record, 3)
    eventually(lambda: host.reader.numbers()[-1] == 3, "the newest event arrives")
    assert (host.resets(), host.reader.numbers()) in [(0, [1, 2, 3]), (1, [1, 3]), (1, [1, 2, 3])]
    assert replicated.master().client.exists(LOG)


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_a_master_that_dies_or_hangs_is_replaced_and_its_lost_events_reset_the_streams(
    replicated, record, host, fault
):
    old, replica = replicated.master(), replicated.replica()
    publish(host, record, 1)
    eventually(lambda: replica.client.xlen(LOG) == 1, "the replica has the first event")
    replicated.stop_replication()
    publish(host, record, 2)
    eventually(lambda: host.reader.numbers() == [1, 2], "both events arrive")
    getattr(old, fault)()
    replicated.wait_for_promotion(old)
    assert replica.client.xlen(LOG) == 1, "the precondition does not hold"
    eventually(lambda: current(host), "the host is at the new master")
    eventually(lambda: host.resets() == 1, "a reset")
    publish(host, record, 3)
    eventually(lambda: host.reader.numbers() == [1, 2, 3], "the events arrive")
    host.heartbeat()
    assert host.resets() == 1


def test_a_sentinel_is_found_though_others_of_the_address_are_away(replicated):
    hosts = f"127.0.0.1:1,{replicated.hosts},127.0.0.1:2"
    assert attempt(replicated.url.replace(replicated.hosts, hosts)) is None


def test_an_address_at_which_sentinel_leads_nowhere_is_explained_and_not_quoted(replicated):
    def replaced(old, new):
        assert old in replicated.url
        return attempt(replicated.url.replace(old, new))

    assert replaced("", "") is None, "the precondition does not hold"
    unknown = replaced("/support", "/elsewhere")
    assert unknown.name == "redis_sentinel"
    assert "Sentinel knows no master elsewhere: correct the name" in unknown.text
    away = replaced(replicated.hosts, "127.0.0.1:1,127.0.0.1:2")
    assert away == ("redis_sentinel", "No Sentinel of REDIS_URL can be reached.")
    for refused in (
        replaced("of-the-sentinels", "wrong"),
        replaced("?sentinel_password=of-the-sentinels", ""),
    ):
        assert refused.name == "redis_sentinel"
        assert "sentinel_password in REDIS_URL" in refused.text
    data = replaced(replicated.password, "wrong")
    assert data.text == "Redis refuses the user or password of REDIS_URL (WRONGPASS)."
