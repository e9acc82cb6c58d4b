import os
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.embedded_redis import EmbeddedRedisError

from ..support import eventually

PARENT = """
import sys, time
from pathlib import Path
from rtapp.realtime.embedded_redis import EmbeddedRedis
EmbeddedRedis(Path(sys.argv[1])).start()
print("started", flush=True)
time.sleep(60)
"""


def running(folder: Path) -> bool:
    client = Redis(unix_socket_path=str(EmbeddedRedis(folder).socket_path))
    try:
        return client.ping()
    except RedisConnectionError:
        return False
    finally:
        client.close()


def test_the_embedded_redis_ends_when_its_parent_is_killed(tmp_path):
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, cwd=os.getcwd()
    )
    assert parent.stdout.readline() == b"started\n"
    assert running(tmp_path)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not running(tmp_path))


def test_a_second_embedded_redis_in_one_folder_is_refused_and_in_another_is_not(tmp_path):
    first, second, other = (EmbeddedRedis(tmp_path / name) for name in ("a", "a", "b"))
    first.start()
    with pytest.raises(EmbeddedRedisError, match="Another rtapp is running"):
        second.start()
    other.start()
    first.stop()
    second.start()
    second.stop()
    other.stop()
    assert not running(tmp_path / "a")


def test_the_embedded_redis_starts_in_a_folder_with_a_long_path(tmp_path):
    server = EmbeddedRedis(tmp_path / ("long" * 30))
    server.start()
    assert len(os.fsencode(server.socket_path)) <= 100
    server.stop()


def test_the_embedded_redis_keeps_its_data_over_a_restart(tmp_path):
    server = EmbeddedRedis(tmp_path)
    for expected in (None, b"kept"):
        server.start()
        client = Redis.from_url(server.url)
        assert client.get("key") == expected
        client.set("key", "kept")
        client.close()
        server.stop()
