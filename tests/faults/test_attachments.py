"""Files while the storage hangs, and while a server is killed: nothing is half done."""

import contextlib
import io
import json
import sqlite3
import time
from collections.abc import Iterator

import gevent
import httpx
import pytest
from PIL import Image

from ..harness.postgres_server import free_port
from ..harness.s3_server import BUCKET
from ..harness.s3_server import CREDENTIALS
from ..harness.s3_server import S3Server
from ..harness.s3_server import s3_server
from ..harness.waiting import eventually
from .server import Server

MESSAGES = "/conversations/1/messages"
PATIENCE = 60.0  # s


@pytest.fixture
def s3() -> Iterator[S3Server]:
    with s3_server(free_port()) as server:
        yield server


@pytest.fixture(params=[0, 2], ids=["one process", "gunicorn"])
def server(request, start, s3) -> Server:
    files = {"RTAPP_FILES": f"s3://{BUCKET}/rtapp", "RTAPP_FILES_ENDPOINT": s3.url}
    return start(request.param, **files, **CREDENTIALS)


def picture() -> bytes:
    written = io.BytesIO()
    Image.new("RGB", (600, 600), "teal").save(written, "PNG")
    return written.getvalue()


def upload(server: Server) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{server.port}/conversations/1/attachments",
        files={"file": ("a.png", picture())},
        headers={"Authorization": f"Bearer {server.tokens['Ada']}"},
        timeout=PATIENCE,
    )


def uploaded_or_cut(server: Server) -> None:
    with contextlib.suppress(httpx.TransportError):
        upload(server)


def unsent(server: Server) -> list[tuple[int, bool]]:
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        return database.execute(
            "SELECT id, stored FROM attachments WHERE message_id IS NULL ORDER BY id"
        ).fetchall()


def test_while_the_storage_hangs_uploads_are_refused_in_time_and_messages_go_on(server, s3):
    file = upload(server)
    assert file.status_code == 201, file.text
    key = file.json()["attachment"]["key"]
    assert s3.names() == [f"rtapp/{key}", f"rtapp/{key}.thumbnail"]
    s3.pause()
    try:
        begun = time.monotonic()
        uploads = [gevent.spawn(upload, server) for _ in range(3)]
        gevent.sleep(0)
        while not all(each.ready() for each in uploads):
            status, body, _ = server.ask("POST", MESSAGES, {"content": "x"})
            assert status == 201, body
            gevent.sleep(0.1)
        assert [each.get().status_code for each in uploads] == [503] * 3
        assert "Nothing was lost" in uploads[0].get().json()["detail"]
        assert time.monotonic() - begun < PATIENCE
    finally:
        s3.go_on()
    assert [stored for _, stored in unsent(server)] == [1, 0, 0, 0]
    status, body, _ = server.ask("POST", MESSAGES, {"content": "", "attachments": [key]})
    assert (status, len(json.loads(body)["attachments"])) == (201, 1)
    eventually(lambda: upload(server).status_code == 201, "the storage takes files again")


def test_an_upload_of_a_server_that_is_killed_is_found_and_removed(start, s3):
    files = {"RTAPP_FILES": f"s3://{BUCKET}/rtapp", "RTAPP_FILES_ENDPOINT": s3.url}
    server = start(0, **files, **CREDENTIALS)
    s3.pause()
    lost = gevent.spawn(uploaded_or_cut, server)
    eventually(lambda: len(unsent(server)) == 1, "the file's row is written")
    server.kill()
    s3.go_on()
    lost.join()
    [(id, stored)] = unsent(server)
    assert not stored
    with contextlib.closing(sqlite3.connect(server.database)) as database:
        database.execute("UPDATE attachments SET expires_at = '2020-01-01' WHERE id = ?", (id,))
        database.commit()
    server.start()
    eventually(lambda: unsent(server) == [], "the row is removed")
    assert s3.names() == []
