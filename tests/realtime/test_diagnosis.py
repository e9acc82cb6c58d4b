"""What keeps a real redis-server from its work: in the ping, in the log and for operators."""

import json
import logging
import re
from pathlib import Path

import pytest

from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import EvictingRedis
from rtapp.realtime.broker import ReplicaRedis
from rtapp.realtime.diagnosis import AWAY
from rtapp.realtime.diagnosis import DATABASE_AWAY
from rtapp.realtime.diagnosis import EXPLANATIONS
from rtapp.realtime.diagnosis import SILENT
from rtapp.realtime.engine import Engine
from rtapp.realtime.pubsub import OtherRedis
from rtapp.realtime.redis_client import NoCluster
from rtapp.realtime.redis_client import NoMaster
from rtapp.realtime.redis_client import UncoveredSlots

from ..faults.redis_server import RedisServer
from ..support import eventually
from .test_hub import Reader
from .test_hub import live

PASSWORD = "a-secret-word"


@pytest.fixture
def server(tmp_path):
    """A redis-server of this test, on a unix socket."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def start():
    """Starts an engine at a URL."""
    engines = []

    def start(url):
        engine = Engine(Broker(url), lambda format, event, body: "", lambda s: s)
        engine.start()
        engines.append(engine)
        return engine

    yield start
    for engine in engines:
        engine.stop()
        engine.broker.redis.close()


def fill_memory(server):
    server.client.config_set("maxmemory", "1")


def free_memory(server):
    server.client.config_set("maxmemory", "0")


def fill_disk(server):
    """Snapshots fail, as they do on a full disk, because a folder has their name."""
    (server.folder / "dump.rdb").mkdir()
    server.client.config_set("save", "3600 1")
    server.client.bgsave()

    def failed():
        return server.client.info("persistence")["rdb_last_bgsave_status"] == "err"

    eventually(failed, "a snapshot has failed")


def free_disk(server):
    server.client.config_set("save", "")


def make_replica(server):
    server.client.execute_command("REPLICAOF", "127.0.0.1", "1")


def make_master(server):
    server.client.execute_command("REPLICAOF", "NO", "ONE")


def forbid_writes(server):
    server.client.acl_setuser("default", commands=["-set"])


def permit_writes(server):
    server.client.acl_setuser("default", commands=["+set"])


STATES = {
    "OOM": (fill_memory, free_memory, "redis_memory"),
    "MISCONF": (fill_disk, free_disk, "redis_disk"),
    "READONLY": (make_replica, make_master, "redis_replica"),
    "NOPERM": (forbid_writes, permit_writes, "redis_refuses"),
}


@pytest.mark.parametrize("code", STATES)
def test_a_redis_that_takes_no_events_is_diagnosed_in_ping_log_and_for_operators(
    server, start, caplog, code
):
    begin, end, name = STATES[code]
    engine = start(server.url)
    reader = Reader(engine)
    eventually(lambda: live(reader), "the stream is live")
    assert engine.redis_problem() is None
    begin(server)
    assert code in engine.redis_problem()
    with caplog.at_level(logging.WARNING, "rtapp.realtime.heartbeat"):
        engine.heartbeat.ping({reader.subscriber})
        engine.heartbeat.ping({reader.subscriber})
    assert last_ping(reader)["lag"] > 0
    assert last_ping(reader)["reason"] == name
    lines = [r.getMessage() for r in caplog.records if r.name == "rtapp.realtime.heartbeat"]
    assert [code in line for line in lines] == [True], "one line, with the code"
    end(server)
    engine.heartbeat.ping({reader.subscriber})
    assert last_ping(reader)["lag"] == 0
    assert "reason" not in last_ping(reader)
    assert engine.redis_problem() is None
    reader.socket.close()


@pytest.mark.parametrize(("given", "code"), [("", "NOAUTH"), ("another%20secret", "WRONGPASS")])
def test_a_missing_or_wrong_password_is_diagnosed_and_not_logged(
    server, start, caplog, given, code
):
    server.client.config_set("requirepass", PASSWORD)
    engine = start(f"{server.url}?password={given}" if given else server.url)
    reader = Reader(engine)
    assert code in engine.redis_problem()
    engine.heartbeat.ping({reader.subscriber})
    assert last_ping(reader)["reason"] == "redis_refuses"
    eventually(lambda: caplog.records, "it is logged")
    assert code in " ".join(r.getMessage() for r in caplog.records)
    assert not given or given not in caplog.text
    reader.socket.close()


def test_a_right_password_is_no_problem(server, start):
    server.client.config_set("requirepass", PASSWORD)
    engine = start(f"{server.url}?password={PASSWORD}")
    reader = Reader(engine)
    eventually(lambda: live(reader), "the stream is live")
    assert engine.redis_problem() is None
    reader.socket.close()


def test_a_redis_that_hangs_or_is_down_is_diagnosed(server, start):
    engine = start(server.url)
    reader = Reader(engine)
    eventually(lambda: live(reader), "the stream is live")
    server.pause()
    try:
        assert "does not answer" in engine.redis_problem()
        engine.heartbeat.ping({reader.subscriber})
        assert last_ping(reader)["reason"] == "redis_silent"
    finally:
        server.go_on()
    server.kill()
    assert "can't be reached" in engine.redis_problem()
    reader.socket.close()


def last_ping(reader):
    data = reader.read().split(b"event: stream.ping\ndata: ")[-1].split(b"\n")[0]
    return json.loads(data)


def test_the_protocol_has_every_reason_of_a_ping():
    protocol = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
    row = next(line for line in protocol.splitlines() if line.startswith("| `stream.ping`"))
    unfit = [EvictingRedis, ReplicaRedis, OtherRedis, NoMaster, UncoveredSlots, NoCluster]
    names = {each.name for each in (*EXPLANATIONS.values(), AWAY, SILENT, DATABASE_AWAY, *unfit)}
    assert set(re.findall(r"`((?:redis|database)_\w+)`", row)) == names
