"""A backup under load, and servers that go on with it: nothing is missing, nothing comes twice."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from pgserver._commands import POSTGRES_BIN_PATH

from ..harness.postgres_server import PostgresServer
from ..harness.postgres_server import url
from ..harness.waiting import eventually
from .check import at_work
from .check import heard_in
from .reader import Reader
from .reader import several
from .redis_server import RedisServer
from .server import Server

CONVERSATIONS = (1, 2)
PATH = f"{POSTGRES_BIN_PATH}:{os.environ['PATH']}"


class Installation:
    """A server on one of the databases, which can be emptied."""

    def __init__(self, server: Server, empty: Callable[[], object]):
        self.server, self.empty = server, empty


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request, start) -> Installation:
    if request.param == "sqlite":
        server = start()
        return Installation(server, lambda: remove(server))
    postgres: PostgresServer = request.getfixturevalue("postgres")
    demo = request.getfixturevalue("seeded").demo
    server = start(0, demo, DATABASE_URL=url(postgres), PATH=PATH)
    schema = "DROP SCHEMA public CASCADE; CREATE SCHEMA public"
    return Installation(server, lambda: postgres.execute(schema))


def remove(server: Server) -> None:
    for file in server.folder.glob("rtapp.sqlite3*"):
        file.unlink()


def sent(server: Server, content: str) -> int:
    status, body, _ = server.ask("POST", "/conversations/1/messages", {"content": content})
    assert status == 201, body
    return int(json.loads(body)["id"])


def messages(reader: Reader) -> list[int]:
    """The ids of the messages that its events name."""
    return [id for ids in heard_in(reader.events).values() for id in ids]


def test_a_restored_backup_has_all_that_was_committed_before_it_and_resets_who_resumes(
    installation, tmp_path, tell
):
    server, path = installation.server, tmp_path / "file.backup"
    readers = several(server, CONVERSATIONS)
    with at_work(server, readers, CONVERSATIONS) as check:
        eventually(lambda: all(len(w.answered) >= 20 for w in check.writers), "they write")
        before = {w.conversation: dict(w.answered) for w in check.writers}
        server.command("backup", str(path))
        after = {w.conversation: set(w.answered) for w in check.writers}
        eventually(
            lambda: all(len(w.answered) > len(after[w.conversation]) for w in check.writers),
            "they write on after the backup",
        )
    late = {w.conversation: set(w.answered) - after[w.conversation] for w in check.writers}
    assert all(late.values())
    cursors = [reader.cursor for reader in readers]

    server.terminate()
    installation.empty()
    server.command("restore", str(path))
    server.start()

    for conversation in CONVERSATIONS:
        restored = {client: id for id, client in server.committed(conversation)}
        assert restored.items() >= before[conversation].items()
        assert late[conversation].isdisjoint(restored)
    again = several(server, CONVERSATIONS)
    for reader, cursor in zip(again, cursors, strict=True):
        reader.cursor = cursor
    eventually(lambda: all(reader.open and reader.resets for reader in again), "each is reset")
    new = sent(server, "Written after the restore")
    eventually(
        lambda: all(new in messages(r) for r in again if r.streams != ("conversations/2",)),
        "what is new arrives",
    )
    for reader in again:
        assert len(reader.resets) == 1
        assert set(messages(reader)) <= {new}
        assert not reader.faults
        reader.close()
    assert '"degraded"' not in server.ask("GET", "/status", who=None)[1].decode()
    tell(f"{sum(map(len, before.values()))} messages before the backup, all there")


def test_what_was_sent_after_a_backup_that_still_had_it_to_send_is_not_sent_again(
    installation, redis: RedisServer, tmp_path: Path
):
    server, path = installation.server, tmp_path / "file.backup"
    reader = Reader(server, "conversations/1")
    eventually(lambda: reader.open, "the stream is open")
    redis.kill()
    waiting = sent(server, "Written while Redis is away")
    server.command("backup", str(path))
    redis.start()
    eventually(lambda: messages(reader) == [waiting], "the outbox is published")
    reader.close()
    server.terminate()
    server.command("restore", str(path), "--replace")
    server.start()
    assert waiting in [id for id, _ in server.committed(1)]
    again = Reader(server, "conversations/1")
    eventually(lambda: again.open, "the stream is open")
    new = sent(server, "Written after the restore")
    eventually(lambda: new in messages(again), "what is new arrives")
    logged = [
        json.loads(fields[b"b"])["data"]["id"]
        for key in redis.client.keys("rt:{1}:conversation:1*")
        if redis.client.type(key) == b"stream"
        for _, fields in redis.client.xrange(key)
        if fields[b"e"] == b"message.created"
    ]
    assert set(logged) == {new}
    again.close()
