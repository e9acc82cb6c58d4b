from gevent import monkey

monkey.patch_all()

import pytest

pytest.register_assert_rewrite("rtapp.testing")  # before anything imports it

import shutil
from collections.abc import Callable
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import delete
from sqlalchemy import update
from werkzeug.security import generate_password_hash

from rtapp import checks
from rtapp import clock
from rtapp import create_app
from rtapp import database
from rtapp import seed
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import ReadMarker
from rtapp.models import User
from rtapp.models import Website
from rtapp.realtime import heartbeat
from rtapp.realtime import inspection
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import RequestBroker
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.engine import Engine

from .harness.open_connections import OpenConnections
from .harness.postgres import SeededDatabase
from .harness.postgres import seeded_database
from .harness.reuse import Reuse
from .harness.waiting import PATIENCE
from .push import VAPID_KEY
from .support import ApiClient
from .support import CustomerClient
from .support import Outbox
from .support import VisitorClient
from .world import Other
from .world import add_website
from .world import other_account

pytest_plugins = ["rtapp.testing"]


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A real redis-server, for the whole run."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.stop()


def settings(folder: Path, database_url: str, redis_url: str) -> Settings:
    return Settings(
        instance=folder,
        database_url=database_url,
        redis_url=redis_url,
        secret_key="for tests",
        vapid_private_key=VAPID_KEY,
    )


def build(app: Flask) -> None:
    """Makes the demo, with nothing read, without a website, and passwords that are quick to
    check."""
    with app.app_context():
        upgrade()
        seed.seed_if_empty()
        db.session.execute(delete(ReadMarker))
        db.session.execute(delete(Website))
        db.session.execute(update(Conversation).values(contact_read_id=None))
        quick = generate_password_hash(seed.PASSWORD, "pbkdf2:sha256:1")
        db.session.execute(update(User).values(password_hash=quick))
        db.session.commit()
        db.session.remove()
        db.engine.dispose()
    app.extensions["probing"].dispose()


@pytest.fixture(scope="session")
def seeded_sqlite(tmp_path_factory: pytest.TempPathFactory, redis: EmbeddedRedis) -> Path:
    """The demo in an SQLite file, made once and copied for each test."""
    folder = tmp_path_factory.mktemp("sqlite")
    build(create_app(settings(folder, f"sqlite:///{folder}/seeded.sqlite3", redis.url)))
    return folder / "seeded.sqlite3"


@pytest.fixture(scope="session")
def seeded_postgres(redis: EmbeddedRedis) -> Iterator[SeededDatabase]:
    """The demo in a PostgreSQL database, made once and restored for each test."""

    def fill(url: str, folder: Path) -> None:
        build(create_app(settings(folder, url, redis.url)))

    with seeded_database(fill) as database:
        yield database


@pytest.fixture(scope="session")
def reuse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reuse]:
    with pytest.MonkeyPatch.context() as patch:
        yield Reuse(tmp_path_factory.mktemp("templates"), patch)


@pytest.fixture(autouse=True)
def patient_probes(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine an answer may take longer than an operator or a request waits for it."""
    monkeypatch.setattr(RequestBroker, "timeout", PATIENCE)
    monkeypatch.setattr(heartbeat, "POSITION_TIMEOUT", PATIENCE)
    monkeypatch.setattr(inspection, "PATIENCE", PATIENCE / 2)  # less than the broker's timeout
    monkeypatch.setattr(checks, "LIMIT", PATIENCE)
    monkeypatch.setattr(database, "PROBE_LIMIT", PATIENCE)


@pytest.fixture(autouse=True)
def patient_statements(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a statement of many rows may take longer than a request waits for it. A
    test of a limit sets it."""
    monkeypatch.setattr(database, "WAIT_LIMIT", PATIENCE)
    monkeypatch.setattr(database, "REQUEST_LIMIT", PATIENCE)
    monkeypatch.setattr(database, "LOCK_LIMIT", PATIENCE / 2)  # less than a statement's


@pytest.fixture(scope="session")
def open_connections() -> Iterator[OpenConnections]:
    connections = OpenConnections()
    with connections.watched():
        yield connections


@pytest.fixture(autouse=True)
def closed_connections(open_connections: OpenConnections) -> Iterator[None]:
    """Every test closes its connections: the fixtures that it uses end before this one."""
    yield
    open_connections.check()


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The demo as it was made, on each of the two databases."""
    if request.param == "sqlite":
        seeded: Path = request.getfixturevalue("seeded_sqlite")
        copy = seeded.with_name("rtapp.sqlite3")
        for old in copy.parent.glob(f"{copy.name}*"):
            old.unlink()
        shutil.copy(seeded, copy)
        return f"sqlite:///{copy}"
    database: SeededDatabase = request.getfixturevalue("seeded_postgres")
    database.restore()
    return database.url


@pytest.fixture
def app(database_url: str, redis: EmbeddedRedis, tmp_path: Path, reuse: Reuse) -> Iterator[Flask]:
    """The application on the demo, with its hub and relay at work and an empty Redis."""
    app = create_app(settings(tmp_path, database_url, redis.url))
    reuse.templates_of(app)
    app.extensions["broker"].redis.flushall()
    app.extensions["engine"].start()
    app.extensions["relay"].start()
    yield app
    app.extensions["relay"].stop()
    app.extensions["engine"].stop()
    app.extensions["broker"].redis.close()
    reuse.give_back(app)


@pytest.fixture
def engine(app: Flask) -> Engine:
    engine: Engine = app.extensions["engine"]
    return engine


@pytest.fixture
def broker(app: Flask) -> Broker:
    broker: Broker = app.extensions["broker"]
    return broker


@pytest.fixture
def ada(app: Flask) -> ApiClient:
    return ApiClient(app, "ada@example.com")


@pytest.fixture
def kevin(app: Flask) -> ApiClient:
    return ApiClient(app, "kevin@example.com")


@pytest.fixture
def grace(app: Flask) -> ApiClient:
    return ApiClient(app, "grace@example.com")


@pytest.fixture
def website(app: Flask) -> str:
    """The key of the website of inbox 1."""
    return add_website(app)


@pytest.fixture
def vera(app: Flask, website: str) -> VisitorClient:
    """Somebody on that website."""
    return VisitorClient(app, website)


@pytest.fixture
def will(app: Flask, website: str) -> VisitorClient:
    """Another one."""
    return VisitorClient(app, website)


@pytest.fixture
def nobody(app: Flask) -> ApiClient:
    return ApiClient(app, None)


@pytest.fixture
def maria(app: Flask) -> CustomerClient:
    """The customer of conversation 1."""
    return CustomerClient(app, "maria.lindqvist@example.com")


@pytest.fixture
def other(app: Flask) -> Other:
    """Another account, with one object of each kind."""
    return other_account(app)


@pytest.fixture
def outbox(app: Flask, broker: Broker) -> Outbox:
    """A snapshot of published and waiting events, to check that nothing was added."""
    return Outbox(app, broker)


@pytest.fixture
def passing(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """`passing(seconds)`: a clock that stands still goes on by so much."""
    start, passed = clock.now(), [0.0]
    monkeypatch.setattr(clock, "now", lambda: start + timedelta(seconds=passed[0]))

    def passing(seconds: float) -> None:
        passed[0] += seconds

    return passing
