from gevent import monkey

monkey.patch_all()

import pytest

pytest.register_assert_rewrite("rtapp.testing")  # before anything imports it

import shutil
import tempfile
from pathlib import Path

import pgserver
import psycopg
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import delete
from sqlalchemy import update

from rtapp import create_app
from rtapp import seed
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import ReadMarker
from rtapp.realtime.embedded_redis import EmbeddedRedis

from .support import As
from .support import Outbox
from .support import Visitor
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
    yield server
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


def postgres_url(server, name: str) -> str:
    uri = server.get_uri(name) if name != "postgres" else server.get_uri()
    return uri.replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request, tmp_path):
    """A fresh copy of the demo, on each of the two databases."""
    if request.param == "sqlite":
        seeded = request.getfixturevalue("seeded_sqlite")
        shutil.copy(seeded, tmp_path / "rtapp.sqlite3")
        yield f"sqlite:///{tmp_path}/rtapp.sqlite3"
        return
    server = request.getfixturevalue("seeded_postgres")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS test WITH (FORCE)")
        connection.execute("CREATE DATABASE test TEMPLATE seeded")
    yield postgres_url(server, "test")


@pytest.fixture
def app(database_url, redis, tmp_path):
    """The application on the demo, with its hub and relay at work and an empty Redis."""
    app = create_app(settings(tmp_path, database_url, redis.url))
    app.extensions["broker"].redis.flushall()
    app.extensions["hub"].start()
    app.extensions["relay"].start()
    yield app
    app.extensions["relay"].stop()
    app.extensions["hub"].stop()
    app.extensions["broker"].redis.close()
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def hub(app):
    return app.extensions["hub"]


@pytest.fixture
def broker(app):
    return app.extensions["broker"]


@pytest.fixture
def ada(app):
    return As(app, "ada@example.com")


@pytest.fixture
def kevin(app):
    return As(app, "kevin@example.com")


@pytest.fixture
def grace(app):
    return As(app, "grace@example.com")


@pytest.fixture
def nobody(app):
    return As(app, None)


@pytest.fixture
def maria(app):
    """The customer of conversation 1."""
    return Visitor(app, "maria.lindqvist@example.com")


@pytest.fixture
def other(app):
    """Another account, with something of everything."""
    return other_account(app)


@pytest.fixture
def outbox(app, broker):
    """What has been said so far, to whom: for "nothing was sent"."""
    return Outbox(app, broker)
