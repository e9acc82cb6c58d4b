"""SIGTERM: each open stream is closed with a reconnect at once, and loses no event.

Idle connections end at once too; requests under way get their time beside that.
"""

import json
import socket
from contextlib import ExitStack
from statistics import mean

import gevent
import pytest

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .check import at_work
from .reader import Reader
from .reader import several
from .server import Server
from .sizes import SIZES

CONVERSATIONS = (1, 2)
SERVERS = pytest.mark.parametrize("workers", [0, 2], ids=["embedded", "gunicorn"])
BODY = b'{"content": "written slowly over a deploy"}'


class SlowPost:
    """A POST whose body is sent byte by byte: the view is reading it once this exists."""

    def __init__(self, server: Server):
        head = "\r\n".join([
            "POST /conversations/1/messages HTTP/1.1", "Host: x", "Content-Type: application/json",
            f"Authorization: {server.bearer('Ada')['Authorization']}",
            f"Content-Length: {len(BODY)}", "Expect: 100-continue",
        ])  # fmt: skip
        self.connection = connected(server, head.encode() + b"\r\n\r\n")
        assert self.connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        self.sent = 0

    def send(self, count: int) -> None:
        for byte in BODY[self.sent : self.sent + count]:
            self.connection.sendall(bytes([byte]))
        self.sent += count

    def answer(self) -> bytes:
        self.send(len(BODY) - self.sent)
        return received(self.connection)


def connected(server: Server, data: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
    connection.sendall(data)
    return connection


def received(connection: socket.socket) -> bytes:
    """Read until the server closes the connection."""
    data = b""
    while more := connection.recv(65536):
        data += more
    return data


def idle(server: Server) -> socket.socket:
    """A connection that was kept alive after an answer."""
    connection = connected(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
    data = b""
    while b'"alive"}' not in data:
        data += connection.recv(65536)
    assert b"connection: close" not in data.lower()
    return connection


@SERVERS
def test_streams_and_idle_connections_end_at_sigterm_beside_a_slow_request_that_is_answered(
    start, workers
):
    server = start(workers)
    readers = [Reader(server, "conversations/1") for _ in range(6)]
    eventually(lambda: all(r.open for r in readers), "all streams are open")
    with ExitStack() as opened:
        unused = [opened.enter_context(connected(server, b"")) for _ in range(2)]
        kept = [opened.enter_context(idle(server)) for _ in range(6)]
        posts = [SlowPost(server) for _ in range(4)]
        for post in posts:
            opened.enter_context(post.connection)
            post.send(3)
        process = server.ask_to_end()
        eventually(lambda: all(r.told("stream.closed") for r in readers), "all streams are closed")
        assert [received(connection) for connection in (*kept, *unused)] == [b""] * 8
        assert process.poll() is None, "it did not wait for the requests"
        for _ in range(3):
            for post in posts:
                post.send(1)
        answers = [post.answer() for post in posts]
    eventually(lambda: process.poll() is not None, "the server ends")
    assert process.returncode == 0, server.log()
    for answer in answers:
        head, _, body = answer.partition(b"\r\n\r\n")
        assert b" 201 " in head.partition(b"\r\n")[0]
        assert b"connection: close" in head.lower()
        assert json.loads(body)["content"] == json.loads(BODY)["content"]
    assert {r.told("stream.closed")[0].data["reason"] for r in readers} == {"shutdown"}
    assert all(r.connection == 1 and r.cuts == 0 for r in readers)
    for reader in readers:
        reader.close()


@SERVERS
def test_a_restart_closes_streams_spread_over_time_with_spread_reconnects_and_loses_no_event(
    redis, start, tell, workers
):
    server = start(workers)
    many = SIZES.streams - len(CONVERSATIONS) - 2
    readers = [Reader(server, "conversations/1") for _ in range(many)]
    readers += several(server, CONVERSATIONS)
    eventually(
        lambda: all(r.open for r in readers),
        "all streams are open",
        observed=lambda: sum(r.open for r in readers),
    )
    with at_work(server, readers, CONVERSATIONS) as check:
        gevent.sleep(SIZES.steady)
        server.terminate()
        # The server is gone; what it sent last may still be in the readers' sockets.
        eventually(
            lambda: not any(r.open for r in readers),
            "every reader has read its connection to the end",
            observed=lambda: sum(r.open for r in readers),
        )
        farewells = [r.told("stream.closed") for r in readers]
        server.start()
    assert [len(closed) for closed in farewells] == [1] * len(readers)
    told = [closed[0] for closed in farewells]
    assert {t.data["reason"] for t in told} == {"shutdown"}
    assert all(t.data["reconnect"] is True for t in told)
    delays = [t.data["retry_after"] for t in told]
    assert len(set(delays)) > len(delays) / 4, "the reconnects are not spread"
    assert max(delays) > 1.5 * min(delays)
    moments = sorted(t.at for t in told)
    took = moments[-1] - moments[0]
    assert took > 0.5, "they were closed all at once"
    in_a_tenth = max(
        sum(moment <= m < moment + took / 10 for m in moments) for moment in moments[::5]
    )
    assert in_a_tenth < len(moments) * 0.8, "the streams were closed at once"
    assert all(r.connection == 2 and r.cuts == 0 for r in readers)
    assert all(r.told("stream.open")[-1].data["resumed"] for r in readers)
    tell(
        f"{len(readers)} streams closed over {took:.1f} s, asked to come back after "
        f"{mean(delays):.0f} ms on average ({min(delays)} to {max(delays)}); {check.tally()}"
    )
