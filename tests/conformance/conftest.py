from gevent import monkey

if not monkey.is_module_patched("socket"):
    monkey.patch_all()

import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple
from typing import Self

import pytest
from gevent.server import StreamServer

from .. import npm
from ..harness.app_process import AppProcess
from ..harness.chromium import chromium_path
from . import readers

PACKAGES = ["eventsource@4.1.0", "eventsource-parser@3.1.1"]
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
PAGE = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<!doctype html>"
MODULE = b"HTTP/1.1 200 OK\r\nContent-Type: text/javascript\r\nConnection: close\r\n\r\n"
CONNECTOR = Path(__file__).parents[2] / "static/js/connector"


@pytest.fixture(scope="session")
def httpx_sse() -> readers.Httpx:
    return readers.Httpx()


@pytest.fixture(scope="session")
def chromium() -> Iterator[readers.Process]:
    path = chromium_path()
    if path is None:
        pytest.skip("SKIPPED: no Chromium on the PATH")
    reader = readers.chromium(path)
    yield reader
    reader.stop()


@pytest.fixture(scope="session")
def node() -> Iterator[readers.Process]:
    folder = npm.installed(*PACKAGES).parent
    reader = readers.node(shutil.which("node") or "node", folder)
    yield reader
    reader.stop()


@pytest.fixture(scope="session")
def chromium_fetch(chromium: readers.Process) -> readers.OverFetch:
    return readers.OverFetch(chromium)


@pytest.fixture(scope="session")
def node_fetch(node: readers.Process) -> readers.OverFetch:
    return readers.OverFetch(node)


RECONNECTING = ["chromium", "node", "chromium_fetch", "node_fetch"]
CLIENTS = ["httpx_sse", *RECONNECTING]


@pytest.fixture(scope="session", params=CLIENTS)
def reader(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session", params=RECONNECTING)
def event_source(request: pytest.FixtureRequest) -> Any:
    """The clients with the standard EventSource interface, which reconnect."""
    return request.getfixturevalue(request.param)


class Received(NamedTuple):
    """A request to the raw server: its time (s, monotonic) and its headers."""

    at: float
    headers: dict[str, str]


class RawServer:
    """Answers with exactly the given bytes: `answers[path]` is a list, one per request.

    The connection stays open after the last answer, and is closed after each of the others. Other
    paths are pages, and below /connector/ its modules.
    """

    def __init__(self) -> None:
        self.answers: dict[str, list[bytes]] = {}
        self.received: dict[str, list[Received]] = {}
        self._pages: dict[str, bytes] = {}
        self._server = StreamServer(("127.0.0.1", 0), self._serve)
        self._server.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stream(self, *answers: bytes) -> str:
        """Return the URL of a stream of these bytes."""
        path = f"/{len(self.answers)}"
        self.answers[path], self.received[path] = list(answers), []
        return self.url + path

    def page(self, text: str) -> str:
        """Return the URL of a page with this text."""
        path = f"/pages/{len(self._pages)}"
        self._pages[path] = text.encode()
        return self.url + path

    def requests(self, url: str) -> list[Received]:
        return self.received[url.removeprefix(self.url)]

    def _serve(self, connection: socket.socket, address: object) -> None:
        try:
            self._answer(connection)
        except OSError:
            pass  # the client has gone
        finally:
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                return
            head += data
        line, *lines = head.decode().split("\r\n")
        path = line.split()[1]
        if path.startswith("/connector/"):
            connection.sendall(MODULE + (CONNECTOR / path.removeprefix("/connector/")).read_bytes())
            return
        if path not in self.answers:
            connection.sendall(PAGE + self._pages.get(path, b""))
            return
        headers = dict(line.lower().split(": ", 1) for line in lines if line)
        self.received[path].append(Received(time.monotonic(), headers))
        answers = self.answers[path]
        last = len(answers) == 1
        connection.sendall(HEAD + (answers[0] if last else answers.pop(0)))
        while last and connection.recv(65536):
            pass

    def stop(self) -> None:
        self._server.stop()


@pytest.fixture(scope="session")
def raw_server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.stop()


class App(AppProcess):
    """A server on the demo, and requests as Ada."""

    def __init__(self, folder: Path):
        super().__init__(folder, RTAPP_STREAMS_PER_USER="0", RTAPP_RATE_LIMITS="off")
        self.headers: dict[str, str] = {}

    def start(self, descriptors: int | None = None) -> Self:
        super().start(descriptors)
        self.headers = self.headers or self.bearer("ada@example.com")
        return self


@pytest.fixture(scope="session")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    """A real server, shared by the tests that don't stop it."""
    with App(tmp_path_factory.mktemp("instance")) as app:
        yield app


@pytest.fixture
def app_to_stop(tmp_path: Path) -> Iterator[App]:
    with App(tmp_path) as app:
        yield app
