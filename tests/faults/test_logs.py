"""No log has a secret of a request, whatever the request: over both servers, with an access log."""

import base64
import io
import random
import re
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import suppress

import pytest
from gevent.pywsgi import WSGIHandler
from gevent.pywsgi import WSGIServer

from rtapp.realtime.handoff import HandOffServer
from rtapp.server import Handler

from ..harness.waiting import PATIENCE
from .redis_server import RedisServer
from .server import Demo
from .server import Server

SECRET = "sEcReT0fTheReQuEsT"
ENCODED = base64.b64encode(f"ada:{SECRET}".encode()).decode()
RANDOM_REQUESTS = 300

METHODS = ("GET", "POST", "HEAD", "OPTIONS", "BREW", "get", SECRET, "", "GE T", f"GET {SECRET}")
TARGETS = (
    "/healthz", "/login", "/conversations/1/messages", "/streams/conversations/1",
    f"/streams/conversations/1?token={SECRET}", f"/healthz?token={SECRET}", f"/{SECRET}",
    f"/streams/conversations/1&token={SECRET}", f"/conversations/{SECRET}", f"/static/{SECRET}.js",
    f"/streams/conversations/1 ?token={SECRET}", f"/a b?token={SECRET}", f"/%zz%00?token={SECRET}",
    f"/\xff\xfe?token={SECRET}", f"//{SECRET}/", f"http://ada:{SECRET}@host/healthz",
    f"/login?next=//{SECRET}", f"?token={SECRET}", "*", "", f"/healthz#{SECRET}", f"\x00{SECRET}",
    f"/join?token={SECRET}", f"/password?token={SECRET}", f"/join/{SECRET}",
    f"/join&token={SECRET}",
    f"/streams?stream=conversations/{SECRET}", "/healthz?" + SECRET * 2000,
)  # fmt: skip
VERSIONS = (
    "HTTP/1.1", "HTTP/1.0", "HTTP/4.0", "HTTP/0.9", "", SECRET, f"HTTP/1.{SECRET}", "HTTP/1",
    f"HTTP/1.1 {SECRET}", "HTTP/x.y", f"HTTP/1.1\r{SECRET}", "HTTP/-1.1", "HTTP/1.1.1",
)  # fmt: skip
HEADERS = (
    f"Authorization: Bearer {SECRET}", f"Authorization: Basic {ENCODED}",
    f"Authorization: {SECRET}", f"Cookie: session={SECRET}", f"Cookie: {SECRET}",
    f"Host: {SECRET}", f"Host: {SECRET}:80", f"Host: [{SECRET}", f"Host: {SECRET}\xff",
    f"Host: a\r\nHost: {SECRET}", f"{SECRET}: x", SECRET, f": {SECRET}", f"X {SECRET}: x",
    f" {SECRET}: folded", f"X: a\r\n {SECRET}", f"X: \x00{SECRET}", f"\xff{SECRET}: x",
    f"Content-Length: {SECRET}", f"Content-Length: -1{SECRET}", f"Content-Length: 5, {SECRET}",
    "Content-Length: 99999999999999999999", f"Content-Length: 5\r\nContent-Length: {SECRET}",
    f"Transfer-Encoding: {SECRET}", "Transfer-Encoding: chunked", f"Connection: {SECRET}",
    "Connection: Upgrade\r\nUpgrade: websocket", f"Upgrade: {SECRET}", f"Expect: {SECRET}",
    "Expect: 100-continue", f"X-Forwarded-For: {SECRET}", f"X-Forwarded-Proto: {SECRET}",
    f"Referer: http://a/?token={SECRET}", f"User-Agent: {SECRET}", f"Origin: {SECRET}",
    f"Content-Type: {SECRET}", f"Content-Type: multipart/form-data; boundary={SECRET}",
    "Content-Type: application/json", "Content-Type: application/x-www-form-urlencoded",
    f"Content-Type: application/json; charset={SECRET}", f"Range: bytes={SECRET}",
    f"If-None-Match: {SECRET}", f"If-Modified-Since: {SECRET}", f"Last-Event-ID: {SECRET}",
    f"Accept: {SECRET}", f"Accept-Encoding: {SECRET}", f"X-CSRF-Token: {SECRET}",
    "\r\n".join(f"X-{n}: {SECRET}" for n in range(150)), "X: " + SECRET * 5000,
)  # fmt: skip
BODIES = (
    "", f'{{"token": "{SECRET}", "password": "{SECRET}"}}',
    f'{{"content": "{SECRET}"', f'{{"{SECRET}": 1}}', f"email=a@example.com&password={SECRET}",
    f"{SECRET}\r\n{SECRET}\r\n", f"5\r\n{SECRET}",
    f"5;{SECRET}\r\nhello\r\n0\r\n{SECRET}: x\r\n\r\n",
    f"0\r\n{SECRET}", f"--{SECRET}\r\nContent-Disposition: form-data; name={SECRET}\r\n\r\n",
)  # fmt: skip

# Everything that gunicorn can log of a request.
LOGGED = (
    "%(h)s %(u)s %(r)s %(m)s %(U)s %(q)s %(H)s %(s)s %(f)s %(a)s %({authorization}i)s "
    "%({cookie}i)s %({host}i)s %({raw_uri}e)s %({http_cookie}e)s %({location}o)s"
)
EVERYTHING = f"--access-logfile - --access-logformat '{LOGGED}'"

MULTIPART = f"multipart/form-data; boundary={SECRET}"

PARTS = (METHODS, TARGETS, VERSIONS, HEADERS, BODIES)
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
GOOD = ("POST", "/conversations/1/messages", "HTTP/1.1", "Content-Type: application/json", "")


def requests() -> Iterator[bytes]:
    """Each odd part in a good request and in one without credentials; then parts at random."""
    for place, parts in enumerate(PARTS):
        for part in parts:
            yield request(*GOOD[:place], part, *GOOD[place + 1 :])
    chance = random.Random(9)
    for _ in range(RANDOM_REQUESTS):
        method, target, version, body = (
            chance.choice(part) for part in (METHODS[:4], TARGETS, VERSIONS, BODIES)
        )
        headers = "\r\n".join(chance.sample(HEADERS, chance.randint(0, 4)))
        yield request(method, target, version, headers, body)


def bodies(token: str) -> Iterator[bytes]:
    """Each body, complete, too short and in chunks, of each type, with credentials."""
    for body in BODIES:
        for type in ("application/json", "application/x-www-form-urlencoded", MULTIPART):
            for framing in (
                f"Content-Length: {len(body)}", f"Content-Length: {len(body) + 9}",
                "Transfer-Encoding: chunked",
            ):  # fmt: skip
                head = f"{framing}\r\nContent-Type: {type}\r\nAuthorization: Bearer {token}"
                yield request("POST", "/conversations/1/messages", "HTTP/1.1", head, body)


def request(method: str, target: str, version: str, headers: str, body: str) -> bytes:
    line = f"{method} {target} {version}".rstrip()
    if "Host:" not in headers:
        headers = f"Host: x\r\n{headers}"
    return f"{line}\r\n{headers}\r\n\r\n{body}".encode("latin-1")


def send(port: int, data: bytes) -> bytes:
    """Send all, end the sending, and read the answer to its end, or to a stream's first frame."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        received = b""
        with suppress(OSError):
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while (more := connection.recv(65536)) and b"text/event-stream" not in received:
                received += more
        return received


@pytest.fixture(scope="module", params=[0, 2], ids=["embedded", "gunicorn"])
def server(request, tmp_path_factory, demo: Demo) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("logs")
    (folder / "redis").mkdir()
    redis = RedisServer(folder / "redis")
    redis.start()
    server = Server(folder / "instance", demo, redis, workers=request.param)
    server.environment["GUNICORN_CMD_ARGS"] = EVERYTHING
    server.start()
    yield server
    server.stop()
    redis.stop()


@pytest.fixture(scope="module")
def answers(server: Server) -> bytes:
    """What the server answers to all requests."""
    token = server.tokens["Ada"]
    return b"".join(send(server.port, data) for data in (HEALTH, *requests(), *bodies(token)))


def test_no_log_has_a_secret_of_a_malformed_or_odd_request(server: Server, answers: bytes):
    token = server.tokens["Ada"]
    found = re.findall(rb"HTTP/1.1 (\d+)", answers)
    assert {b"200", b"400", b"401", b"404", b"405", b"422"} <= set(found)
    log = server.log()
    assert token not in log
    assert leaks(log) == []
    assert "Invalid request" in log  # malformed requests are logged
    assert log.count("Traceback") == 0
    if server.workers:
        assert "GET /healthz  HTTP/1.1 200" in log  # there is an access log


def test_no_answer_names_the_software_or_a_place_in_it(answers: bytes):
    """Headers and error pages of the servers and of the application."""
    named = re.compile(
        rb"^server:|gunicorn|gevent|werkzeug|flask|python|sqlalchemy|traceback", re.I
    )
    assert [line for line in answers.splitlines() if named.search(line)] == []
    assert b"400 Bad Request" in answers  # of the server itself
    assert b"application/problem+json" in answers  # of the application


def test_no_log_has_a_value_of_a_statement_that_fails(server: Server):
    connection = sqlite3.connect(server.database)
    connection.execute("ALTER TABLE messages RENAME TO hidden")
    try:
        body = {"content": SECRET, "client_id": SECRET}
        status, _, _ = server.ask("POST", "/conversations/1/messages", body)
    finally:
        connection.execute("ALTER TABLE hidden RENAME TO messages")
        connection.close()
    assert status >= 500
    assert "no such table" in server.log()  # the fault is logged
    assert leaks(server.log()) == []
    assert server.ask("POST", "/conversations/1/messages", body)[0] == 201


def leaks(log: str) -> list[str]:
    """The lines of a log with the secret, in any case or as Basic credentials."""
    return [
        line[:200] for line in log.splitlines() if SECRET.lower() in line.lower() or ENCODED in line
    ]


@pytest.mark.parametrize(
    ("kind", "handler", "leaky"),
    [(WSGIServer, WSGIHandler, True), (HandOffServer, Handler, False)],
    ids=["of gevent", "ours"],
)
def test_a_handler_that_quotes_a_malformed_request_in_its_log_is_found(kind, handler, leaky):
    log = io.StringIO()
    server = kind(("127.0.0.1", 0), None, handler_class=handler, log=None, error_log=log)
    server.start()
    try:
        answer = send(server.server_port, f"GET /a b?token={SECRET} HTTP/1.1\r\n\r\n".encode())
    finally:
        server.stop()
    assert b" 400 " in answer
    assert bool(leaks(log.getvalue())) == leaky
    assert log.getvalue()
