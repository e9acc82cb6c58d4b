from gevent import monkey

monkey.patch_all()

import pytest

pytest.register_assert_rewrite("rtapp.testing")  # before anything imports it

import itertools
import shutil
import tempfile
from pathlib import Path

import gevent
import pgserver
import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import delete
from sqlalchemy import update
from werkzeug.security import generate_password_hash

from rtapp import create_app
from rtapp import seed
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import ReadMarker
from rtapp.models import User
from rtapp.realtime.embedded_redis import EmbeddedRedis

from .support import ApiClient
from .support import CustomerClient
from .support import Outbox
from .world import other_account

pytest_plugins = ["rtapp.testing"]


@pytest.fixture(scope="session")
def redis(tmp_path_factory):
    """A real redis-server, for the whole run."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def settings(folder: Path, database_url: str, redis_url: str) -> Settings:
    return Settings(
        instance=folder, database_url=database_url, redis_url=redis_url, secret_key="for tests"
    )


def build(app: Flask) -> None:
    with app.app_context():
        upgrade()
        seed.seed_if_empty()
        db.session.execute(delete(ReadMarker))  # tests begin with nothing read
        db.session.execute(update(Conversation).values(contact_read_id=None))
        quick = generate_password_hash(
            seed.PASSWORD, "pbkdf2:sha256:1"
        )  # to check, as tests sign in
        db.session.execute(update(User).values(password_hash=quick))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()


@pytest.fixture(scope="session")
def seeded_sqlite(tmp_path_factory, redis):
    """The demo in an SQLite file, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("sqlite")
    build(create_app(settings(folder, f"sqlite:///{folder}/seeded.sqlite3", redis.url)))
    return folder / "seeded.sqlite3"


@pytest.fixture(scope="session")
def seeded_postgres(redis):
    """The demo in a PostgreSQL database, made once and the template of each test's.

    Not in pytest's folder: started by root, the server runs as another user, who loses sight of its
    data when the next pytest on this machine makes that folder private again.
    """
    folder = Path(tempfile.mkdtemp(prefix="rtapp-postgres-"))
    folder.chmod(0o755)
    server = pgserver.get_server(folder, cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE seeded")
    build(create_app(settings(folder, postgres_url(server, "seeded"), redis.url)))
    copies = PostgresCopies(server)
    yield copies
    copies.stop()
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


class PostgresCopies:
    """A fresh copy for each test; the next is made while the test before it runs."""

    def __init__(self, server: pgserver.PostgresServer):
        self._server = server
        self._numbers = itertools.count(2)  # those of two tests ago are dropped
        self._next = gevent.spawn(self._make)

    def next(self) -> str:
        url = self._next.get()
        self._next = gevent.spawn(self._make)
        return url

    def stop(self) -> None:
        self._next.join()

    def _make(self) -> str:
        number = next(self._numbers)
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS test{number - 2} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE test{number} TEMPLATE seeded")
        return postgres_url(self._server, f"test{number}")


def postgres_url(server: pgserver.PostgresServer, name: str) -> str:
    return server.get_uri(name).replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request, tmp_path):
    """A fresh copy of the demo, on each of the two databases."""
    if request.param == "sqlite":
        seeded = request.getfixturevalue("seeded_sqlite")
        shutil.copy(seeded, tmp_path / "rtapp.sqlite3")
        yield f"sqlite:///{tmp_path}/rtapp.sqlite3"
        return
    yield request.getfixturevalue("seeded_postgres").next()


@pytest.fixture
def app(database_url, redis, tmp_path):
    """The application on the demo, with its hub and relay at work and an empty Redis."""
    app = create_app(settings(tmp_path, database_url, redis.url))
    app.extensions["broker"].redis.flushall()
    app.extensions["engine"].start()
    app.extensions["relay"].start()
    yield app
    app.extensions["relay"].stop()
    app.extensions["engine"].stop()
    app.extensions["broker"].redis.close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def hub(app):
    return app.extensions["engine"]


@pytest.fixture
def broker(app):
    return app.extensions["broker"]


@pytest.fixture
def ada(app):
    return ApiClient(app, "ada@example.com")


@pytest.fixture
def kevin(app):
    return ApiClient(app, "kevin@example.com")


@pytest.fixture
def grace(app):
    return ApiClient(app, "grace@example.com")


@pytest.fixture
def nobody(app):
    return ApiClient(app, None)


@pytest.fixture
def maria(app):
    """The customer of conversation 1."""
    return CustomerClient(app, "maria.lindqvist@example.com")


@pytest.fixture
def other(app):
    """Another account, with something of everything."""
    return other_account(app)


@pytest.fixture
def outbox(app, broker):
    """What has been said so far, to whom: for "nothing was sent"."""
    return Outbox(app, broker)
