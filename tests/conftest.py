from gevent import monkey

monkey.patch_all()  # as app.py does, before anything else is imported

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from redis import Redis

from rtapp import create_app
from rtapp.realtime.embedded_redis import EmbeddedRedis

from .callers import Caller
from .callers import Callers
from .databases import Postgres
from .databases import dispose
from .databases import prepare
from .databases import settings
from .servers import Server

for name in ("REDIS_URL", "DATABASE_URL", "SECRET_KEY", "RTAPP_ENV", "RTAPP_INSTANCE"):
    os.environ.pop(name, None)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


@pytest.fixture
def redis(redis_server: EmbeddedRedis) -> Iterator[Redis]:
    """A real Redis that holds nothing."""
    with Redis.from_url(redis_server.url) as client:
        client.flushall()
        yield client


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sqlite")
    prepare(f"sqlite:///{folder / 'template.sqlite3'}", folder)
    return folder / "template.sqlite3"


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    try:
        server = Postgres(tmp_path_factory.mktemp("postgres"))
    except Exception as error:
        pytest.skip(f"NOT TESTED ON POSTGRESQL: pgserver does not start here ({error!r})")
    yield server
    server.stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the demo, of this test alone."""
    if request.param == "postgresql":
        with request.getfixturevalue("postgres").copy() as url:
            yield url
        return
    shutil.copy(request.getfixturevalue("sqlite_template"), tmp_path / "rtapp.sqlite3")
    yield f"sqlite:///{tmp_path / 'rtapp.sqlite3'}"


@pytest.fixture
def app(
    database: str, redis: Redis, redis_server: EmbeddedRedis, tmp_path: Path
) -> Iterator[Flask]:
    """The application with the demo. Nothing runs beside it: see `live`."""
    app = create_app(settings(database, tmp_path, redis_url=redis_server.url))
    yield app
    dispose(app)
    app.extensions["broker"].redis.close()


@pytest.fixture
def live(app: Flask) -> Iterator[Flask]:
    """The application with its hub and relay running, as in a server."""
    app.extensions["hub"].start()
    app.extensions["relay"].start()
    yield app
    app.extensions["relay"].stop()
    app.extensions["hub"].stop()


@pytest.fixture
def callers(app: Flask) -> Iterator[Callers]:
    callers = Callers(app)
    yield callers
    callers.hang_up()


@pytest.fixture
def ada(callers: Callers) -> Caller:
    """The administrator, by token."""
    return callers.bearer("ada")


@pytest.fixture
def kevin(callers: Callers) -> Caller:
    """The agent of the first inbox, by token."""
    return callers.bearer("kevin")


@pytest.fixture
def grace(callers: Callers) -> Caller:
    """The agent of the second inbox, by token."""
    return callers.bearer("grace")


@pytest.fixture
def edsger(callers: Callers) -> Caller:
    """The agent who sees only what is assigned to him, by token."""
    return callers.bearer("edsger")


@pytest.fixture
def mallory(callers: Callers) -> Caller:
    """The administrator of another account, by token."""
    return callers.bearer("mallory")


@pytest.fixture
def nobody(callers: Callers) -> Caller:
    return callers.nobody()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`python app.py` as a process of its own, with the demo."""
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server
