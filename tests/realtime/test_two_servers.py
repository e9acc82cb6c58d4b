"""Two redis-servers beside one database, whose record of what was published both hosts have."""

import json
import time

import pytest

from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.engine import Engine
from rtapp.realtime.replay import why_lost

from ..faults.redis_server import RedisServer
from ..harness.gate import Gate
from ..support import eventually
from .clock import dumped
from .clock import restore
from .test_hub import BODY
from .test_hub import Reader
from .test_hub import live

ACCOUNT = 1


class Record:
    """What the database has: the newest published event, as `waiting_rows.settle` stores it."""

    def __init__(self):
        self.newest = Cursor("0", 0, 0)
        self.gate = Gate("the record", closed=False)

    def load(self, accounts):
        self.gate()
        return dict.fromkeys(accounts, self.newest)

    def publish(self, broker, number, topic="a"):
        """As the relay of a host: it reads the record with the rows, and advances it afterwards."""
        broker.high_water_marks.observe(ACCOUNT, self.newest)
        body = BODY % (number, "x")
        assert broker.publish(ACCOUNT, f"k{number}", "message.created", [(topic, body)])
        published = broker.high_water_marks.newest(ACCOUNT)
        epoch = max(self.newest, published).epoch
        self.newest = Cursor(epoch, *max(self.newest[1:], published[1:]))


class Host:
    """A host with a live stream."""

    def __init__(self, redis_url, record):
        self.broker = Broker(redis_url, record.load)
        self.engine = Engine(self.broker, lambda format, event, body: "", lambda s: s)
        self.engine.start()
        self.reader = Reader(self.engine)
        eventually(lambda: live(self.reader), "the stream is live")

    def heartbeat(self):
        """Ping the stream, and wait until it has caught up if it has to."""
        self.engine.heartbeat.ping({self.reader.subscriber})
        eventually(lambda: live(self.reader), "the stream is live")

    def resets(self):
        return self.reader.read().count(b"event: stream.reset")

    def last_ping(self):
        data = self.reader.read().split(b"event: stream.ping\ndata: ")[-1].split(b"\n")[0]
        return json.loads(data)

    def close(self):
        self.reader.socket.close()
        self.engine.stop()
        self.broker.redis.close()


@pytest.fixture
def servers(tmp_path):
    """Two redis-servers."""
    servers = []
    for name in "ab":
        (tmp_path / name).mkdir()
        servers.append(RedisServer(tmp_path / name))
        servers[-1].start()
    yield servers
    for server in servers:
        server.stop()


@pytest.fixture
def record():
    return Record()


@pytest.fixture
def hosts(servers, record):
    """A host at each server, of which the first has published an event."""
    publisher = Broker(servers[0].url, record.load)
    record.publish(publisher, 0)
    publisher.redis.close()
    hosts = [Host(server.url, record) for server in servers]
    yield hosts
    for host in hosts:
        host.close()


def test_streams_at_the_server_that_events_do_not_go_to_are_reset_within_a_heartbeat_each_time(
    hosts, record
):
    ours, other = hosts
    for number in range(1, 4):
        before = other.resets()
        record.publish(ours.broker, number)
        other.heartbeat()
        eventually(lambda before=before: other.resets() == before + 1, "one more reset")
        other.heartbeat()
        other.heartbeat()
        assert other.resets() == before + 1, "a reset though nothing was published"
    ours.heartbeat()
    eventually(lambda: ours.reader.numbers() == [1, 2, 3], "the events arrive at the right host")
    assert ours.resets() == 0


def test_a_host_at_another_server_shows_the_problem_and_the_right_host_shows_none(hosts, record):
    ours, other = hosts
    record.publish(ours.broker, 1)
    for host in hosts:
        host.heartbeat()
        host.heartbeat()
    assert "REDIS_URL must lead to one and the same server" in other.engine.redis_problem()
    assert ours.engine.redis_problem() is None


def test_two_hosts_that_both_publish_reset_each_others_streams(hosts, record):
    for number in range(1, 5):
        publishing, other = hosts[number % 2], hosts[1 - number % 2]
        before = other.resets()
        record.publish(publishing.broker, number)
        other.heartbeat()
        eventually(lambda: other.resets() == before + 1, "one more reset")  # noqa: B023


def test_an_event_published_in_an_older_epoch_than_the_recorded_one_resets_the_other_host(
    hosts, record
):
    """The relays race: one reads the record, the other one advances it, the first one publishes."""
    ours, other = hosts
    record.publish(other.broker, 1)
    first, record.newest = record.newest, Cursor("0", 0, 0)
    eventually(lambda: time.time() * 1000 > first.ms + 1, "the next millisecond")
    record.publish(ours.broker, 2)
    second = record.newest
    assert second.epoch < first.epoch, "the precondition does not hold"
    assert second[1:] > first[1:]
    record.newest = Cursor(first.epoch, *second[1:])
    other.heartbeat()
    eventually(lambda: other.resets() == 1, "a reset")


def test_a_process_that_starts_at_the_other_server_finds_that_events_went_elsewhere(hosts, record):
    """The epoch of that server is younger than the recorded one."""
    ours, other = hosts
    record.publish(ours.broker, 1)
    other.heartbeat()
    start = other.broker.position(ACCOUNT)
    assert start.epoch > record.newest.epoch, "the precondition does not hold"

    def lost():
        fresh = Broker(other.broker.address, record.load)
        reading = fresh.read(ACCOUNT, ["a"], start)
        fresh.redis.close()
        return why_lost(start, reading)

    assert lost() is None
    record.publish(ours.broker, 2)
    assert lost() == "unknown_cursor"


def test_an_old_copy_put_in_place_without_a_restart_is_found_within_a_heartbeat(hosts, record):
    ours, _ = hosts
    dump = dumped(ours.broker.redis, ACCOUNT)
    publisher = Broker(ours.broker.address, record.load)
    record.publish(publisher, 1, "b")  # to which this host is not subscribed
    restore(publisher.redis, ACCOUNT, dump)
    publisher.redis.close()
    assert ours.broker.high_water_marks.newest(ACCOUNT) < record.newest
    ours.heartbeat()
    eventually(lambda: ours.resets() == 1, "a reset")


def test_a_database_that_hangs_delays_no_ping_and_takes_no_id_from_it(hosts, record):
    ours, _ = hosts
    ours.heartbeat()
    record.gate.close()
    before = ours.reader.subscriber.cursor
    for _ in range(3):
        ours.heartbeat()
    assert ours.last_ping() == {"lag": 0}
    assert ours.reader.subscriber.cursor > before
    record.gate.open()


def test_a_stream_whose_account_can_not_be_compared_yet_is_pinged_with_the_reason(hosts, record):
    ours, _ = hosts
    record.gate.close()
    ours.broker.high_water_marks.invalidate()
    ours.engine.heartbeat.ping({ours.reader.subscriber})
    assert ours.last_ping()["lag"] > 0
    assert ours.last_ping()["reason"] == "database_away"
    record.gate.open()


# A server that is no longer the one to which events are published


@pytest.fixture
def moved(servers, tmp_path, record):
    """A host at an address that led to the first server, and leads to the second one by now. Its
    pub/sub connection is the old one."""
    address = tmp_path / "redis.sock"
    address.symlink_to(servers[0].socket)
    host = Host(f"unix://{address}", record)
    host.heartbeat()
    assert host.last_ping() == {"lag": 0}, "the precondition does not hold"
    address.unlink()
    address.symlink_to(servers[1].socket)
    servers[0].client.client_kill_filter(_type="normal", skipme=True)
    assert servers[0].client.client_list(_type="pubsub"), "the precondition does not hold"
    yield host
    host.close()


def test_a_pubsub_connection_to_another_server_than_the_commands_is_replaced(
    moved, servers, record
):
    moved.engine.heartbeat.ping({moved.reader.subscriber})
    assert moved.last_ping()["lag"] > 0
    assert moved.last_ping()["reason"] == "redis_other"
    eventually(lambda: not servers[0].client.client_list(_type="pubsub"), "it is closed")
    eventually(lambda: live(moved.reader), "the stream is live at the other server")
    record.publish(moved.broker, 1)
    eventually(lambda: moved.reader.numbers() == [1], "an event arrives")
    moved.heartbeat()
    assert moved.last_ping() == {"lag": 0}


def test_a_server_that_was_made_a_replica_is_found_by_the_next_heartbeat(hosts, servers):
    ours, _ = hosts
    servers[0].client.execute_command("REPLICAOF", "127.0.0.1", "1")  # a master that is away
    ours.engine.heartbeat.ping({ours.reader.subscriber})
    assert ours.last_ping()["reason"] == "redis_replica"
    assert "must lead to the master" in ours.engine.redis_problem()
    servers[0].client.execute_command("REPLICAOF", "NO", "ONE")
    eventually(lambda: ours.engine.redis_problem() is None or ours.heartbeat(), "it is a master")


def test_a_writable_replica_is_found_too(hosts, servers):
    ours, _ = hosts
    servers[0].client.config_set("replica-read-only", "no")
    servers[0].client.execute_command("REPLICAOF", "127.0.0.1", "1")
    ours.engine.heartbeat.ping({ours.reader.subscriber})
    assert ours.last_ping()["reason"] == "redis_replica"
    assert "replica of another" in ours.engine.redis_problem()
