"""Clients that mean no good, or are broken: they are given up, and everyone else goes on."""

import contextlib
import re
import socket

import pytest
from gevent.pywsgi import WSGIServer
from sqlalchemy import func
from sqlalchemy import select

from rtapp.config import BODY_LIMIT
from rtapp.extensions import db
from rtapp.models import Message
from rtapp.realtime import handoff
from rtapp.server import Handler

from .harness.waiting import PATIENCE
from .test_server import Server

DESCRIPTORS = 160  # that a server may have: 140 streams

one_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def address(app, monkeypatch):
    """Our handler on a port of its own, with less patience."""
    monkeypatch.setattr(handoff, "HEAD_LIMIT", 1.0)
    monkeypatch.setattr(handoff, "REQUEST_LIMIT", 2.0)
    with served(app) as address:
        yield address


@contextlib.contextmanager
def served(app):
    server = WSGIServer(("127.0.0.1", 0), app, handler_class=Handler, log=None, error_log=None)
    server.start()
    try:
        yield server.address
    finally:
        server.stop()


def connected(address, said: bytes) -> socket.socket:
    connection = socket.create_connection(address, timeout=PATIENCE)
    connection.sendall(said)
    return connection


def answer(connection: socket.socket) -> bytes:
    """All that comes until the other side ends it, or resets it for what it left unread."""
    told = b""
    with connection, contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            told += data
    return told


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@one_database
@pytest.mark.parametrize("said", [b"", b"GET /hea", HEALTH[:-2]], ids=["nothing", "line", "head"])
def test_a_head_that_does_not_end_is_given_up_and_others_are_served_meanwhile(address, said):
    slow = [connected(address, said) for _ in range(20)]
    assert b"200 OK" in answer(connected(address, HEALTH))
    assert [answer(connection) for connection in slow] == [b""] * len(slow)


@one_database
def test_a_head_that_ends_in_time_is_answered(app):
    with served(app) as address:
        slow = connected(address, HEALTH[:-2])
        assert b"200 OK" in answer(connected(address, HEALTH))  # so the first part is there
        slow.sendall(HEALTH[-2:])
        assert b"200 OK" in answer(slow)


@one_database
def test_a_body_that_does_not_end_is_given_up_and_writes_nothing(app, address, ada):
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
    whole = head.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    assert b"201 CREATED" in answer(connected(address, whole + b'{"content": "0123456789abcde"}'))
    assert messages() == before + 1


@one_database
def test_who_would_rather_have_a_websocket_is_refused_at_once(address):
    """Such a connection has no end of a body that one could wait for."""
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
def test_a_body_in_chunks_is_whole_or_refused(app, address, ada, type, begin, end, more):
    """What was cut off might have said that the message is private."""
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
    told = answer(connected(address, head.encode() + chunks))
    if more:
        assert b"413" in told.partition(b"\r\n")[0]
        assert newest().id == before
    else:
        assert b"201 CREATED" in told
        assert newest().private


@one_database
@pytest.mark.parametrize(
    "said",
    [b"GET /healthz?" + b"x" * 100_000, b"GET /healthz HTTP/1.1\r\nX: " + b"x" * 100_000],
    ids=["line", "header"],
)  # fmt: skip
def test_a_head_that_is_too_large_is_refused(address, said):
    told = answer(connected(address, said + b" HTTP/1.1\r\nConnection: close\r\n\r\n"))
    assert re.match(rb"HTTP/1\.1 4\d\d |$", told), told  # or it was reset before that was read


@one_database
def test_a_stream_is_no_slow_answer(address, ada):
    """What limits a request ends with it: a stream goes on for longer."""
    token = ada.headers["Authorization"]
    head = f"GET /streams/conversations/1 HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n\r\n"
    with connected(address, head.encode()) as stream:
        for _ in range(3):  # each takes its whole time, together longer than a request may
            assert answer(connected(address, b"GET /hea")) == b""
        ada.send(1, "still there")
        told = b""
        while b"still there" not in told:
            told += (more := stream.recv(65536))
            assert more, "it has ended"


def test_streams_are_refused_before_descriptors_run_out_and_all_else_goes_on(tmp_path):
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
                "/conversations/1/messages", json={"content": "heard by all"}
            ).is_success
        for stream in streams:
            told = b""
            while b"heard by all" not in told:
                told += (more := stream.recv(65536))
                assert more, "it has ended"
    finally:
        for stream in streams:
            stream.close()
        server.stop()
