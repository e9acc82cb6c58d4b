import pytest

from rtapp.realtime.broker import Broker
from rtapp.realtime.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A redis-server for one file alone, because it is killed."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def broker(redis):
    """On an empty Redis, and without a database behind it: what Redis forgets is forgotten."""
    broker = Broker(redis.url)
    broker.redis.flushall()
    yield broker
    broker.redis.close()
