"""Malicious and broken clients: the server disconnects them and continues to serve others."""

import contextlib
import re
import socket

import pytest
from gevent.pool import Pool
from sqlalchemy import func
from sqlalchemy import select

from rtapp.config import BODY_LIMIT
from rtapp.extensions import db
from rtapp.models import Message
from rtapp.realtime import handoff
from rtapp.realtime.handoff import HandOffServer
from rtapp.server import Handler

from .harness.waiting import PATIENCE
from .harness.waiting import eventually
from .test_server import Server

DESCRIPTORS = 160  # of the server: enough for 140 streams

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def address(app, monkeypatch):
    """The server's handler on its own port, with short limits."""
    monkeypatch.setattr(handoff, "HEAD_LIMIT", 1.0)
    monkeypatch.setattr(handoff, "REQUEST_LIMIT", 2.0)
    with served(app) as server:
        yield server.address


@contextlib.contextmanager
def served(app):
    server = HandOffServer(
        ("127.0.0.1", 0), app, handler_class=Handler, spawn=Pool(100), log=None, error_log=None
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


def connected(address, data: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=PATIENCE)
    connection.sendall(data)
    return connection


def answer(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, or resets it because of unread data."""
    received = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return received


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@one_database
@pytest.mark.parametrize("data", [b"", b"GET /hea", HEALTH[:-2]], ids=["nothing", "line", "head"])
def test_a_request_head_that_never_ends_is_closed_while_others_are_served(address, data):
    slow = [connected(address, data) for _ in range(20)]
    assert b"200 OK" in answer(connected(address, HEALTH))
    assert [answer(connection) for connection in slow] == [b""] * len(slow)


@one_database
def test_a_slow_request_head_that_ends_in_time_is_answered(app):
    with served(app) as server:
        address = server.address
        slow = connected(address, HEALTH[:-2])
        assert b"200 OK" in answer(connected(address, HEALTH))  # so the first part is there
        slow.sendall(HEALTH[-2:])
        assert b"200 OK" in answer(slow)


@one_database
def test_a_request_body_that_never_ends_is_closed_and_writes_nothing(app, address, ada):
    token = ada.headers["Authorization"]
    head = (
        f"POST /conversations/1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 30\r\n\r\n"
    ).encode()

    def messages():
        with app.app_context():
            return db.session.scalar(select(func.count()).select_from(Message))

    before = messages()
    slow = [connected(address, head + b'{"content": "a') for _ in range(20)]
    assert b"200 OK" in answer(connected(address, HEALTH))
    assert [answer(connection) for connection in slow] == [b""] * len(slow)
    assert messages() == before
    complete = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert b"201 CREATED" in answer(
        connected(address, complete + b'{"content": "0123456789abcde"}')
    )
    assert messages() == before + 1


@one_database
def test_a_websocket_upgrade_is_refused_at_once(address):
    """An upgraded connection has no body whose end could be awaited."""
    upgrade = HEALTH.replace(b"close", b"Upgrade\r\nUpgrade: websocket")
    with connected(address, upgrade) as connection:
        assert connection.recv(65536).startswith(b"HTTP/1.1 400 ")


@one_database
@pytest.mark.parametrize("more", [0, 1, 100_000])
@pytest.mark.parametrize(
    ("type", "begin", "end"),
    [
        ("application/json", b'{"content": "good",', b'"private": true}'),
        ("application/x-www-form-urlencoded", b"content=good&", b"&private=true"),
    ],
    ids=["json", "form"],
)
def test_a_chunked_body_is_accepted_complete_or_refused_with_413(
    app, address, ada, type, begin, end, more
):
    """The field `private` is at the end of the body: a cut body would lose it."""
    token = ada.headers["Authorization"]
    head = (
        f"POST /conversations/1/messages HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        f"Content-Type: {type}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    )
    padding = (b" " if type.endswith("json") else b"&") * (BODY_LIMIT - len(begin + end) + more)
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (begin, padding, end, b""))

    def newest():
        with app.app_context():
            return db.session.scalars(select(Message).order_by(Message.id.desc()).limit(1)).one()

    before = newest().id
    response = answer(connected(address, head.encode() + chunks))
    if more:
        assert b"413" in response.partition(b"\r\n")[0]
        assert newest().id == before
    else:
        assert b"201 CREATED" in response
        assert newest().private


@one_database
@pytest.mark.parametrize(
    "data",
    [b"GET /healthz?" + b"x" * 100_000, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 100_000],
    ids=["line", "header"],
)  # fmt: skip
def test_a_request_head_that_is_too_large_is_refused(address, data):
    response = answer(connected(address, data + b" HTTP/1.1\r\nConnection: close\r\n\r\n"))
    assert re.match(rb"HTTP/1\.1 4\d\d |$", response), response  # empty: reset before it was read


@one_database
def test_a_stream_outlives_the_time_limit_of_a_request(address, ada):
    """The limit ends with the request's head and body."""
    token = ada.headers["Authorization"]
    head = f"GET /streams/conversations/1 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
    with connected(address, head.encode()) as stream:
        for _ in range(3):  # each takes its whole time, together longer than a request may
            assert answer(connected(address, b"GET /hea")) == b""
        ada.send(1, "still there")
        received = b""
        while b"still there" not in received:
            received += (more := stream.recv(65536))
            assert more, "the stream has ended"


POST_HEAD = (
    "POST /conversations/1/messages HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    "Content-Length: 24\r\nExpect: 100-continue\r\nAuthorization: {}\r\n\r\n"
)
POST_BODY = b'{"content": "while cut"}'


@one_database
@pytest.mark.parametrize("limit", [0.2, PATIENCE], ids=["over", "within"])
def test_a_request_under_way_as_the_server_closes_is_answered_within_its_limit_and_cut_after_it(
    app, ada, monkeypatch, limit
):
    monkeypatch.setattr(handoff, "STOP_LIMIT", limit)
    monkeypatch.setattr(handoff, "REQUEST_LIMIT", 10 * PATIENCE)
    with served(app) as server:
        slow = connected(server.address, POST_HEAD.format(ada.headers["Authorization"]).encode())
        assert slow.recv(65536).startswith(b"HTTP/1.1 100 ")  # the view reads the body
        slow.sendall(POST_BODY[:9])
        server.close()
        if limit == PATIENCE:
            slow.sendall(POST_BODY[9:])
            assert b"201 CREATED" in answer(slow)
        else:
            assert answer(slow) == b""
        server.pool.join()
    written = ada.get("/conversations/1/messages").json["messages"][-1]["content"] == "while cut"
    assert written == (limit == PATIENCE)


UPLOAD_HEAD = (
    "POST /conversations/1/attachments HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {}\r\n"
    "Authorization: {}\r\n\r\n"
)
UPLOAD_BODY = (
    b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\nslow\r\n--b--\r\n'
)


@one_database
def test_a_slow_upload_has_more_time_than_another_slow_body(app, ada, nobody, address):
    credential = ada.headers["Authorization"]
    upload = connected(address, UPLOAD_HEAD.format(len(UPLOAD_BODY), credential).encode())
    post = connected(address, POST_HEAD.format(credential).encode() + POST_BODY[:9])
    assert b"201" not in answer(post)  # it was cut
    upload.sendall(UPLOAD_BODY)
    assert b"201 CREATED" in answer(upload)
    unknown = UPLOAD_HEAD.format(len(UPLOAD_BODY), "Bearer x").encode()
    assert b"401 UNAUTHORIZED" in answer(connected(address, unknown))


@one_database
def test_a_request_that_arrived_on_an_idle_connection_before_the_server_closes_is_answered(app):
    keep_alive = HEALTH.replace(b"Connection: close\r\n", b"")
    with served(app) as server:
        idle, used = (connected(server.address, keep_alive) for _ in range(2))
        for connection in (idle, used):
            received = b""
            while b'"alive"}' not in received:
                received += connection.recv(65536)
        eventually(lambda: len(server._idle) == 2, "both wait for another request")
        used.sendall(keep_alive)  # no greenlet runs between this and `close`
        server.close()
        assert answer(idle) == b""
        answered = answer(used)
        assert b"200 OK" in answered
        assert b"Connection: close" in answered


def test_a_server_that_is_closed_while_it_starts_accepts_nothing_and_ends_in_order(app):
    """gunicorn's worker may get SIGTERM while its server looks up its own name."""

    class Slow(HandOffServer):
        def init_socket(self):
            super().init_socket()
            self.close()

    server = Slow(("127.0.0.1", 0), app, handler_class=Handler, log=None)
    server.start()
    assert server.closing
    server.stop(timeout=1)


def test_streams_are_refused_with_503_before_descriptors_run_out_and_requests_are_served(tmp_path):
    server = Server(tmp_path)
    server.environ |= {"RTAPP_STREAMS_PER_USER": "0", "RTAPP_STREAMS_PER_ADDRESS": "0"}
    server.start(descriptors=DESCRIPTORS)
    streams: list[socket.socket] = []
    try:
        with server.client("ada@example.com") as ada:
            token = ada.headers["Authorization"]
            port = ada.base_url.port
            head = (
                "GET /streams/conversations/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                f"Authorization: {token}\r\n\r\n"
            ).encode()
            while len(streams) < DESCRIPTORS:
                stream = connected(("127.0.0.1", port), head)
                begun = stream.recv(65536)
                if b"200 OK" not in begun:
                    break
                streams.append(stream)
            assert len(streams) == DESCRIPTORS * 7 // 8
            assert b"503" in begun
            assert b"Retry-After" in begun
            assert b"as many streams as it can" in begun + answer(stream)
            assert ada.get("/conversations/1").status_code == 200
            assert ada.post(
                "/conversations/1/messages", json={"content": "to every stream"}
            ).is_success
        for stream in streams:
            received = b""
            while b"to every stream" not in received:
                received += (more := stream.recv(65536))
                assert more, "the stream has ended"
    finally:
        for stream in streams:
            stream.close()
        server.stop()


NEXT = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LONG = len(NEXT)
# Framings that a proxy may read differently from us: with one of the readings, the body of the
# request is the next request. The last line of the body is always NEXT.
UNCERTAIN = {
    "a coding before chunked": (b"Transfer-Encoding: gzip, chunked", NEXT),
    "an unknown coding": (b"Transfer-Encoding: xchunked", NEXT),
    "a coding without a length": (b"Transfer-Encoding: identity", NEXT),
    "a coding after a vertical tab": (b"Transfer-Encoding: \x0bchunked", b"0\r\n\r\n" + NEXT),
    "two codings": (
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity", b"0\r\n\r\n" + NEXT,
    ),
    "a coding and a length": (
        b"Transfer-Encoding: chunked\r\nContent-Length: %d" % LONG, b"0\r\n\r\n" + NEXT,
    ),
    "a length with a sign": (b"Content-Length: +%d" % LONG, NEXT),
    "a length with an underscore": (b"Content-Length: %d_%d" % divmod(LONG, 10), NEXT),
    "a header without a name": (b": x\r\nContent-Length: %d" % LONG, NEXT),
    "a folded coding": (b"Transfer-Encoding:\r\n chunked", b"0\r\n\r\n" + NEXT),
    "two lengths": (b"Content-Length: 0\r\nContent-Length: %d" % LONG, NEXT),
    "a space before the colon": (b"Content-Length : %d" % LONG, NEXT),
    "a line that is no header": (b"nothing\r\nContent-Length: %d" % LONG, NEXT),
    "a carriage return inside a line": (b"X: a\rContent-Length: %d" % LONG, NEXT),
}  # fmt: skip
CERTAIN = {
    "a length": (b"Content-Length: %d" % LONG, NEXT, 1),
    "a length among spaces": (b"Content-Length: \t%d " % LONG, NEXT, 1),
    "chunks": (b"Transfer-Encoding: Chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (LONG, NEXT), 1),
    "no body": (b"X: a", NEXT, 2),
    "a multipart form": (
        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: %d" % LONG, NEXT, 1,
    ),
    "a line feed alone": (b"X: a\nContent-Length: %d" % LONG, NEXT, 1),
}  # fmt: skip


def statuses(address, framing: bytes, body: bytes, version: bytes = b"1.1") -> list[bytes]:
    head = b"POST /logout HTTP/%b\r\nHost: x\r\nConnection: keep-alive\r\n" % version
    with connected(address, head + framing + b"\r\n\r\n" + body) as connection:
        connection.shutdown(socket.SHUT_WR)
        return re.findall(rb"HTTP/1\.1 (\d+)", answer(connection))


@one_database
@pytest.mark.parametrize("name", UNCERTAIN)
def test_a_request_whose_end_is_uncertain_is_refused_and_nothing_after_it_is_read(address, name):
    assert statuses(address, *UNCERTAIN[name]) == [b"400"]


@one_database
def test_a_chunked_request_of_http_1_0_is_refused(address):
    chunked = b"Transfer-Encoding: chunked"
    assert statuses(address, chunked, b"0\r\n\r\n" + NEXT, b"1.0") == [b"400"]
    assert statuses(address, chunked, b"0\r\n\r\n" + NEXT) == [b"401", b"200"]


@one_database
@pytest.mark.parametrize("name", CERTAIN)
def test_the_next_request_begins_where_the_body_ends(address, name):
    framing, body, answers = CERTAIN[name]
    assert statuses(address, framing, body) == [b"401", b"200"][:answers]
