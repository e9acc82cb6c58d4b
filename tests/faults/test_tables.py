"""A database of another version: the server starts, serves and restarts workers, or refuses to."""

import os
import signal
import sqlite3
from pathlib import Path

import pytest

from rtapp import schema

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .redis_server import RedisServer
from .server import Demo
from .server import Server

SERVERS = pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])


def migrate_to(server: Server, revision: str) -> None:
    """Note the revision in the database, as a newer version does after its migrations."""
    connection = sqlite3.connect(server.database)
    with connection:
        connection.execute("UPDATE alembic_version SET version_num = ?", [revision])
    connection.close()


@pytest.fixture
def server(tmp_path: Path, demo: Demo, redis: RedisServer, workers: int):
    server = Server(tmp_path / "instance", demo, redis, workers)
    yield server
    server.stop()


@SERVERS
def test_a_server_refuses_to_start_on_a_database_that_a_newer_version_migrated(server):
    migrate_to(server, "later")
    process = server.launch()
    assert process.wait(PATIENCE) != 0
    assert schema.NEWER in server.log()
    assert "Traceback" not in server.log()


@pytest.mark.parametrize("workers", [2])
def test_a_worker_that_is_replaced_after_a_newer_migration_leaves_the_other_at_work(server):
    """The deploy of a newer version migrates first: the streams of the old one go on."""
    server.start()
    assert server.ask("GET", "/readyz", who=None)[0] == 200
    migrate_to(server, "later")
    killed, left = server.worker_pids()
    os.kill(killed, signal.SIGKILL)
    eventually(
        lambda: left in server.worker_pids() and len(server.worker_pids()) == 2 and
        killed not in server.worker_pids(),
        "the killed worker is replaced",
    )  # fmt: skip
    eventually(lambda: schema.NEWER in server.log(), "the new worker logs the mismatch")
    assert server.ask("GET", "/readyz", who=None)[0] == 503
    assert server.ask("GET", "/healthz", who=None)[0] == 200
    assert left in server.worker_pids()


@pytest.mark.parametrize("workers", [2])
def test_gunicorn_starts_unready_on_an_older_database_and_is_ready_after_the_migration(server):
    connection = sqlite3.connect(server.database)
    with connection:
        (newest,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    migrate_to(server, "0001")
    server.start()
    assert server.ask("GET", "/readyz", who=None)[0] == 503
    assert schema.OLDER in server.log()
    migrate_to(server, newest)
    assert server.ask("GET", "/readyz", who=None)[0] == 200
