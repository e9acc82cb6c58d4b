import pytest

from rtapp.realtime.broker import Broker
from rtapp.realtime.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A redis-server of one test file, which kills it."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def broker(redis):
    """A broker on an empty Redis, without positions stored in a database."""
    broker = Broker(redis.url)
    broker.redis.flushall()
    yield broker
    broker.redis.close()


@pytest.fixture(autouse=True)
def patient_probes():
    """The engine's limits are as they are: it is tested with a Redis that hangs."""
