import pytest

from rtapp.realtime.embedded_redis import EmbeddedRedis


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A redis-server for one file alone, because it is killed."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()
