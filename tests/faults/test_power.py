"""A power failure: server and Redis are gone at once, and so is what was not synced to the disk."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

import pytest

from ..harness.disk import Disk
from ..harness.waiting import eventually
from .reader import Reader
from .reader import several
from .redis_server import RedisServer
from .server import Server
from .sizes import SIZES
from .writer import Writer

CONVERSATIONS = (1, 2)

pytestmark = pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no C compiler")


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "disk")


@pytest.fixture
def powered(disk, start, redis, monkeypatch) -> Server:
    """A server and a Redis as operators have it (`everysec`), on a disk that can lose power."""
    for name, value in disk.environ.items():
        monkeypatch.setenv(name, value)
    redis.kill()
    redis.start("--appendfsync", "everysec")
    server = start(0, **disk.environ)
    disk.watch(server.folder, redis.folder)
    return server


def cut_power(server: Server, redis: RedisServer, disk: Disk) -> int:
    """Return the number of bytes that were not synced."""
    pause(server, redis)
    server.kill()
    redis.kill()
    return disk.lose_unsynced()


def pause(server: Server, redis: RedisServer) -> None:
    os.kill(server.pid, signal.SIGSTOP)
    redis.pause()


def go_on(server: Server, redis: RedisServer) -> None:
    redis.go_on()
    os.kill(server.pid, signal.SIGCONT)


def rows_of(database: Path) -> dict[str, int]:
    """The messages by client_id in a database that is opened after a power failure."""
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        query = "SELECT client_id, id FROM messages WHERE client_id IS NOT NULL"
        return dict(connection.execute(query).fetchall())


def test_whatever_moment_the_power_fails_no_acknowledged_message_is_lost(
    powered, redis, disk, tmp_path, tell
):
    writers = [Writer(powered, c, rate=SIZES.rate) for c in CONVERSATIONS]
    acknowledged = 0
    for number in range(SIZES.power_moments):
        before = acknowledged
        eventually(lambda: count(writers) > before, "messages are acknowledged")  # noqa: B023
        pause(powered, redis)
        answered = {k: v for writer in writers for k, v in writer.answered.items()}
        image = tmp_path / f"image{number}"
        disk.image(image)
        go_on(powered, redis)
        assert answered.items() <= rows_of(image / "rtapp.sqlite3").items()
        shutil.rmtree(image)
        acknowledged = len(answered)
    for writer in writers:
        writer.kill()
    assert acknowledged >= SIZES.power_moments
    tell(f"{SIZES.power_moments} moments, {acknowledged} messages acknowledged, 0 lost")


def test_after_a_power_failure_every_reader_has_each_message_or_is_reset(
    powered, redis, disk, tell
):
    readers = several(powered, CONVERSATIONS)
    eventually(lambda: all(reader.open for reader in readers), "every stream is open")
    writers = [Writer(powered, c, rate=SIZES.rate) for c in CONVERSATIONS]
    lost = 0
    for _ in range(SIZES.power_cuts):
        before = count(writers)
        eventually(lambda: count(writers) > before + 5, "messages are acknowledged")  # noqa: B023
        lost += cut_power(powered, redis, disk)
        redis.start("--appendfsync", "everysec")
        powered.start()
    assert lost, "nothing was lost: the precondition does not hold"
    for writer in writers:
        marker = max(writer.answered.values())
        for reader in readers_of(readers, writer):
            eventually(
                lambda: max(received(reader, writer), default=0) > marker,  # noqa: B023
                "each reader receives new messages again",
                observed=lambda: len(received(reader, writer)),  # noqa: B023
            )
    for writer in writers:
        writer.finish()
    rows = rows_of(powered.database)
    for writer in writers:
        assert writer.answered.items() <= rows.items()
        mine = {id for client, id in rows.items() if client in writer.answered}
        for reader in readers_of(readers, writer):
            eventually(
                lambda: max(mine) in received(reader, writer),  # noqa: B023
                "each reader receives the newest message",
            )
            verify(reader, received(reader, writer), sorted(mine))
    resets = sum(len(reader.resets) for reader in readers)
    for reader in readers:
        assert not reader.faults, reader.faults
        reader.close()
    tell(
        f"{SIZES.power_cuts} power failures, {lost} bytes lost, {count(writers)} messages "
        f"acknowledged, 0 lost, {resets} resets at {len(readers)} readers"
    )


def count(writers: Iterable[Writer]) -> int:
    return sum(len(writer.answered) for writer in writers)


def readers_of(readers: Iterable[Reader], writer: Writer) -> list[Reader]:
    """Those with a stream of the writer's conversation."""
    name = f"conversation:{writer.conversation}"
    return [r for r in readers if name in (stream.replace("s/", ":") for stream in r.streams)]


def received(reader: Reader, writer: Writer) -> list[int]:
    """The writer's messages that the reader has, in the order of their first arrival."""
    ids = (
        event.data["data"]["id"]
        for event in reader.events
        if event.event == "message.created"
        and event.data["data"]["conversation_id"] == writer.conversation
    )
    return list(dict.fromkeys(ids))


def verify(reader: Reader, got: list[int], rows: list[int]) -> None:
    """In order, and complete but for what resets hide: no more gaps than resets."""
    mine = [id for id in got if id in set(rows)]
    assert mine == sorted(mine)
    missing = [place for place, id in enumerate(rows) if id not in set(mine)]
    gaps = sum(1 for a, b in zip([-2, *missing], missing, strict=False) if b != a + 1)
    assert gaps <= len(reader.resets), f"{gaps} gaps, {len(reader.resets)} resets"


WRITE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA journal_mode=WAL")
connection.execute("PRAGMA synchronous=" + sys.argv[2])
connection.execute("CREATE TABLE IF NOT EXISTS t (x)")
connection.execute("PRAGMA wal_checkpoint")
connection.execute("INSERT INTO t VALUES (1)")
print(flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize(("level", "rows"), [("FULL", 1), ("NORMAL", 0)])
def test_the_disk_of_these_tests_loses_a_commit_that_was_not_synced_and_no_other(
    disk, tmp_path, level, rows
):
    folder = tmp_path / "files"
    folder.mkdir()
    disk.watch(folder)
    writing = subprocess.Popen(
        [sys.executable, "-c", WRITE, folder / "x.sqlite3", level],
        env={**os.environ, **disk.environ}, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert writing.stdout.readline() == b"\n"
    disk.image(tmp_path / "image")
    writing.kill()
    writing.communicate()
    with closing(sqlite3.connect(tmp_path / "image" / "x.sqlite3")) as connection:
        assert connection.execute("SELECT count(*) FROM t").fetchone() == (rows,)
