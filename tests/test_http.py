"""Requests by the letter of RFC 9110 and RFC 9112: understood, or refused with the connection."""

import re
import socket

import h11
import httpx
import pytest

from rtapp.realtime import request_target
from rtapp.realtime.request_target import InvalidTarget

from .harness.app_process import AppProcess
from .harness.waiting import PATIENCE
from .test_abuse import answer
from .test_abuse import connected
from .test_abuse import one_database
from .test_abuse import served

CONVERSATION = "/streams/conversations/1"
SECOND = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def address(app):
    with served(app) as server:
        yield server.address


def statuses(address, request: bytes) -> list[int]:
    """The status of each answer to `request`, followed by a second one on the same connection."""
    with connected(address, request + SECOND) as connection:
        connection.shutdown(socket.SHUT_WR)
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d+)", answer(connection))]


@pytest.mark.parametrize(
    ("method", "target", "expected"),
    [
        ("GET", "/a?b=c", (None, "/a?b=c")),
        ("GET", "//a", (None, "//a")),
        ("GET", "http://x.org/a?b", ("x.org", "/a?b")),
        ("GET", "HTTPS://x.org:8443", ("x.org:8443", "/")),
        ("GET", "http://[::1]:80?b", ("[::1]:80", "/?b")),
        ("OPTIONS", "*", (None, "*")),
        ("OPTIONS", "http://x.org", ("x.org", "*")),
        ("OPTIONS", "http://x.org/", ("x.org", "/")),
    ],
)
def test_a_target_is_split_into_host_and_path(method, target, expected):
    assert request_target.split(method, target) == expected


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "*"), ("GET", "healthz"), ("GET", ""), ("CONNECT", "x.org:443"), ("GET", "/a#b"),
        ("GET", "http://"), ("GET", "http:///a"), ("GET", "http://u:p@x.org/"),
        ("GET", "http://x.org/a#b"), ("GET", "ftp://x.org/"), ("GET", "http://x[.org/"),
    ],
)  # fmt: skip
def test_a_target_in_another_form_is_refused(method, target):
    with pytest.raises(InvalidTarget):
        request_target.split(method, target)


@one_database
@pytest.mark.parametrize(
    "request_line", ["GET http://x.org/healthz HTTP/1.1", "GET HTTP://x.org:8000/healthz HTTP/1.1"]
)
def test_a_target_in_absolute_form_is_answered(address, request_line):
    request = f"{request_line}\r\nHost: x.org\r\n\r\n".encode()
    assert statuses(address, request) == [200, 200]


@one_database
def test_the_host_of_an_absolute_target_wins_over_the_header(app):
    hosts = []

    def observed(environ, start_response):
        hosts.append(environ["HTTP_HOST"])
        return app.wsgi_app(environ, start_response)

    with served(observed) as server:
        request = b"GET http://right/healthz HTTP/1.1\r\nHost: wrong\r\nConnection: close\r\n\r\n"
        assert b"200 OK" in answer(connected(server.address, request))
    assert hosts == ["right"]


@one_database
@pytest.mark.parametrize(
    "hosts", ["Host: a\r\nHost: b\r\n", "Host: a\r\nhost: a\r\n", "", "Host: a b\r\n",
              "Host: a/b\r\n", "Host: a@b\r\n", "Host: a:b\r\n"]
)  # fmt: skip
def test_a_request_without_exactly_one_host_is_refused_and_the_connection_closed(address, hosts):
    assert statuses(address, f"GET /healthz HTTP/1.1\r\n{hosts}\r\n".encode()) == [400]


@one_database
@pytest.mark.parametrize("host", ["", "x", "x.org:80", "[::1]:8000", "127.0.0.1", "x:"])
def test_a_request_with_one_host_is_answered_and_the_connection_stays(address, host):
    assert statuses(address, f"GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()) == [
        200,
        200,
    ]


@one_database
def test_http_1_0_needs_no_host(address):
    request = b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
    assert statuses(address, request) == [200, 200]


@one_database
@pytest.mark.parametrize(
    "line", ["GET /healthz", "GET /healthz HTTP/0.9", "GET /healthz HTTP/2.0", "PRI * HTTP/2.0"]
)
def test_another_version_of_http_is_refused(address, line):
    assert statuses(address, f"{line}\r\nHost: x\r\n\r\n".encode()) == [400]


@one_database
@pytest.mark.parametrize(
    ("method", "status"), [("GET", 200), ("get", 501), ("Get", 501), ("HEAD", 200), ("head", 501)]
)
def test_methods_are_case_sensitive(app, method, status):
    environ = {"REQUEST_METHOD": method}
    answer = app.test_client().open("/healthz", method=method, environ_overrides=environ)
    assert answer.status_code == status


@one_database
@pytest.mark.parametrize("target", ["*", "http://x"])
def test_options_of_the_server_is_answered_without_content(address, target):
    request = f"OPTIONS {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    assert statuses(address, request) == [204, 200]


@one_database
def test_options_of_a_stream_lists_its_methods(app):
    answer = app.test_client().options(CONVERSATION)
    assert answer.status_code == 200
    assert set(answer.allow) == {"GET", "HEAD", "OPTIONS"}


@one_database
@pytest.mark.parametrize("expectation", ["100-continue", "100-Continue"])
def test_a_client_that_waits_with_its_body_is_asked_for_it(address, ada, expectation):
    head = (
        f"POST /conversations/1/messages HTTP/1.1\r\nHost: x\r\nExpect: {expectation}\r\n"
        f"Authorization: {ada.headers['Authorization']}\r\nContent-Type: application/json\r\n"
        "Content-Length: 16\r\nConnection: close\r\n\r\n"
    )
    connection = connected(address, head.encode())
    assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
    connection.sendall(b'{"content": "x"}')
    assert answer(connection).startswith(b"HTTP/1.1 201 ")


@one_database
def test_a_client_of_http_1_0_is_not_asked_for_its_body(address, ada):
    head = (
        "POST /conversations/1/messages HTTP/1.0\r\nExpect: 100-continue\r\n"
        f"Authorization: {ada.headers['Authorization']}\r\nContent-Type: application/json\r\n"
        'Content-Length: 16\r\n\r\n{"content": "x"}'
    )
    assert answer(connected(address, head.encode())).startswith(b"HTTP/1.1 201 ")


@one_database
@pytest.mark.parametrize(
    "header", ["Range: bytes=0-9", "If-None-Match: *", "Upgrade: h2c",
               "If-Modified-Since: Fri, 01 Jan 2038 00:00:00 GMT",
               "Accept-Encoding: gzip", "TE: trailers"]
)  # fmt: skip
def test_a_stream_is_whole_whatever_part_of_it_a_request_asks_for(address, ada, header):
    head = (
        f"GET {CONVERSATION} HTTP/1.1\r\nHost: x\r\n{header}\r\n"
        f"Authorization: {ada.headers['Authorization']}\r\n\r\n"
    )
    with connected(address, head.encode()) as connection:
        response, data = first_data(connection)
    assert response.status_code == 200
    assert b"event: stream.open\n" in data


@one_database
def test_a_request_behind_a_stream_is_not_answered(address, ada):
    head = (
        f"GET {CONVERSATION} HTTP/1.1\r\nHost: x\r\n"
        f"Authorization: {ada.headers['Authorization']}\r\n\r\n"
    )
    with connected(address, head.encode() + SECOND) as connection:
        response, data = first_data(connection)
    assert (b"connection", b"close") in response.headers
    assert b"event: stream.open\n" in data
    assert b"HTTP/1.1" not in data


def first_data(connection: socket.socket) -> tuple[h11.Response, bytes]:
    """A response's head and the first of its body, as an independent parser reads them."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target=CONVERSATION, headers=[("Host", "x")]))
    response = None
    while True:
        event = client.next_event()
        if event is h11.NEED_DATA:
            client.receive_data(connection.recv(65536))
        elif isinstance(event, h11.Response):
            response = event
        elif isinstance(event, h11.Data):
            assert response is not None
            return response, bytes(event.data)
        else:
            raise AssertionError(f"{event} came")


@one_database
@pytest.mark.parametrize("path", ["/healthz", "/openapi.json", "/login", "/nowhere", CONVERSATION])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "POST"])
def test_an_independent_parser_reads_every_answer_to_its_end(address, method, path):
    client = h11.Connection(h11.CLIENT)
    headers = [("Host", "x"), ("Connection", "close"), ("Content-Length", "0")]
    sent = client.send(h11.Request(method=method, target=path, headers=headers))
    assert sent is not None
    client.send(h11.EndOfMessage())
    client.receive_data(answer(connected(address, sent)))
    client.receive_data(b"")
    response = client.next_event()
    assert isinstance(response, h11.Response)
    assert b"date" in {name for name, _ in response.headers}
    while isinstance(event := client.next_event(), h11.Data):
        assert method != "HEAD"
    assert isinstance(event, h11.EndOfMessage)
    assert isinstance(client.next_event(), h11.ConnectionClosed)


# Other ways to the server


def test_the_server_listens_on_ipv6(tmp_path):
    with AppProcess(tmp_path, HOST="::1") as server:
        assert server.url.startswith("http://[::1]:")
        assert httpx.get(f"{server.url}/healthz", trust_env=False).status_code == 200


def test_the_server_listens_on_a_unix_socket_also_after_it_was_killed(tmp_path):
    path = tmp_path / "rtapp.sock"
    server = AppProcess(tmp_path, HOST=f"unix:{path}")
    with server:
        assert asked(path).status_code == 200
        server.process.kill()
        server.process.wait(PATIENCE)
        assert path.exists()
        server.start()
        assert asked(path).status_code == 200
        second = AppProcess(tmp_path / "second", HOST=f"unix:{path}")
        second.folder.mkdir()
        second.run()
        assert second.process.wait(PATIENCE) == 1
        assert "Set HOST to a free path" in second.log.read_text()
        assert asked(path).status_code == 200  # the first one


def asked(path) -> httpx.Response:
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(path))) as client:
        return client.get("http://x/healthz")
