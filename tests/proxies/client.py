"""A client behind a proxy: requests, and streams that reconnect as the HTML standard has it."""

import json
import re
import ssl
import subprocess
import time
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import gevent
import httpx

from rtapp.testing.parsing import StreamParser

from ..harness.supervision import spawn
from ..harness.waiting import eventually

RETRY = re.compile(rb"^retry: ?([0-9]+)\r?\n", re.MULTILINE)
# Another address of this machine for each client (Linux: all of 127.0.0.0/8 are its own).
HERE = "127.0.0.1"


class Route(NamedTuple):
    """The way from a client through a proxy: the URL of rtapp there, and the transport from a local
    address."""

    url: str
    transport: Callable[[str], httpx.BaseTransport]

    def client(self, address: str = HERE, **headers: str) -> httpx.Client:
        """A client without limits in time: a proxy may hold a request back."""
        return httpx.Client(
            base_url=self.url, transport=self.transport(address), headers=headers, timeout=None,
            trust_env=False,
        )  # fmt: skip


def http_from(
    address: str, proxy: httpx.Proxy | None = None, trusted: ssl.SSLContext | None = None
) -> httpx.BaseTransport:
    return httpx.HTTPTransport(
        verify=trusted if trusted is not None else False,  # without TLS there is no certificate
        local_address=address,
        proxy=proxy,
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
        trust_env=False,
    )


class CurlTransport(httpx.BaseTransport):
    """Each request is one of curl's over HTTP/2: httpx has no HTTP/2 without another package."""

    def __init__(self, address: str, authority: str):
        self._command = [
            "curl", "--http2", "--silent", "--no-buffer", "--include", "--noproxy", "*",
            "--ipv4", "--interface", address, "--cacert", authority,
        ]  # fmt: skip

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        own = {"accept-encoding", "connection", "content-length", "host", "user-agent"}
        headers = [f"{k}: {v}" for k, v in request.headers.items() if k not in own]
        body = request.read()
        command = [
            *self._command, "--request", request.method,
            *(word for header in headers for word in ("--header", header)),
            *(["--data-binary", "@-"] if body else []), str(request.url),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdin is not None
        process.stdin.write(body)
        process.stdin.close()
        return Curled(process).response()


class Curled(httpx.SyncByteStream):
    """The answer to a request of curl's, as it comes."""

    def __init__(self, process: "subprocess.Popen[bytes]"):
        self._process = process
        assert process.stdout is not None
        self._output = process.stdout

    def response(self) -> httpx.Response:
        status = self._output.readline().split()
        if not status:
            self.close()
            raise httpx.RemoteProtocolError(f"curl has ended with {self._process.returncode}")
        assert status[0] == b"HTTP/2", status
        headers: list[tuple[bytes, bytes]] = []
        while line := self._output.readline().strip():
            name, _, value = line.partition(b":")
            headers.append((name, value.strip()))
        return httpx.Response(
            int(status[1]), headers=headers, stream=self, extensions={"http_version": b"HTTP/2"}
        )

    def __iter__(self) -> Iterator[bytes]:
        while line := self._output.readline():
            yield line

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._output.close()


class Received(NamedTuple):
    """An event, with the number of its connection and the time (s)."""

    connection: int
    at: float
    id: str
    event: str
    data: Any


class Stream:
    """A stream as an EventSource reads it
    (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    After a lost connection, and after the end of an answer, it connects again in `retry` seconds,
    with the last id. Any answer but a stream ends it for good: `gave_up` has the reason.
    """

    def __init__(self, client: httpx.Client, path: str, **headers: str):
        self.events: list[Received] = []
        self.gave_up: str | None = None
        self.answers: list[httpx.Response] = []
        self.empty = 0  # answers without an event
        self.failures = 0  # connections without an answer
        self.retry = 0.5
        self.asked_at = 0.0
        self._client, self._path, self._headers = client, path, headers
        self._id = ""
        self._closed = False
        self._greenlet = spawn(self._run)

    def named(self, event: str) -> list[Received]:
        return [received for received in self.events if received.event == event]

    def first(self, event: str, after: int = 0) -> Received:
        """Wait for an event of this name beyond the first `after`."""
        return eventually(
            lambda: self.named(event)[after:], f"{event} arrives", observed=self._state
        )[0]

    def message(self, content: str) -> Received:
        """Wait for the message with this text."""
        return eventually(
            lambda: [
                received
                for received in self.named("message.created")
                if received.data["data"]["content"] == content
            ],
            f"the message {content!r} arrives",
            observed=self._state,
        )[0]

    @property
    def last_id(self) -> str:
        return self._id

    def close(self) -> None:
        """Hang up."""
        self._closed = True
        self._greenlet.kill()

    def _state(self) -> object:
        return len(self.events), self.gave_up, len(self.answers), self.failures

    def _run(self) -> None:
        while not self._closed and self.gave_up is None:
            try:
                self._read()
            except httpx.TransportError:
                self.failures += 1
            if self.gave_up is None:
                gevent.sleep(self.retry)

    def _read(self) -> None:
        headers = {**self._headers, "Accept": "text/event-stream"}
        if self._id:
            headers["Last-Event-ID"] = self._id
        self.asked_at = time.monotonic()
        with self._client.stream("GET", self._path, headers=headers) as answer:
            kind = answer.headers.get("Content-Type", "").partition(";")[0]
            if (answer.status_code, kind) != (200, "text/event-stream"):
                self.gave_up = f"{answer.status_code} {kind}"
                return
            self.answers.append(answer)
            before = len(self.events)
            self._take(answer)
            self.empty += len(self.events) == before

    def _take(self, answer: httpx.Response) -> None:
        parser, number, rest = StreamParser(), len(self.answers), b""
        for piece in answer.iter_raw():
            lines, newline, rest = (rest + piece).rpartition(b"\n")
            for delay in RETRY.findall(lines + newline):
                self.retry = int(delay) / 1000  # of an unfinished event too
            for frame in parser.feed(piece):
                self._id = frame.event.id or self._id
                self.events.append(
                    Received(number, time.monotonic(), frame.id, frame.event.event,
                             json.loads(frame.event.data))
                )  # fmt: skip


def connected(client: httpx.Client, path: str, count: int) -> list[Stream]:
    """So many streams, all open."""
    streams = [Stream(client, path) for _ in range(count)]
    for stream in streams:
        stream.first("stream.open")
    return streams
