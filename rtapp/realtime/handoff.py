"""The hand-off: from a response to a socket that the hub owns.

A view authorises and returns an `EventStream`. Our handler for gevent's pywsgi then detaches the
connection's socket and passes it to the hub, and the request ends without a remainder. Under any
other WSGI server, over TLS and in the test client, the hub writes into one end of a `socketpair`
and the response iterates over the other. The hub always writes to a socket.
"""

from __future__ import annotations

import fcntl
import socket
import termios
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from traceback import format_tb
from types import TracebackType
from typing import Any

from flask import Response
from gevent import GreenletExit
from gevent import get_hub
from gevent import spawn_later
from gevent.pywsgi import WSGIHandler
from gevent.pywsgi import WSGIServer
from gevent.socket import socket as gevent_socket
from gevent.ssl import SSLSocket

from . import request_target
from .framing import HeaderLines
from .framing import refuse_uncertain_end
from .hub import Hub
from .stream_counts import Reservation
from .subscriber import Subscription

# In the WSGI environ: passes the connection to a stream, where the server supports that.
HAND_OFF = "rtapp.hand_off"

STOP_LIMIT = 25.0  # s after `close` for the requests under way: more than a drain of the streams

# In the WSGI environ: the headers that came more than once, which no client may send (RFC 9110,
# section 5.3). pywsgi joins their values, or takes the first.
REPEATED_HEADERS = "rtapp.repeated_headers"
SINGLE_HEADERS = {
    "authorization", "content-type", "last-event-id", "origin", "sec-fetch-site",
    "x-csrf-token", "x-csrftoken",
}  # fmt: skip

# In the WSGI environ: gives a request whose body is large the seconds from now on, in place of
# REQUEST_LIMIT.
MORE_TIME = "rtapp.more_time"

HEAD_LIMIT = 20.0  # s for a request's line and headers, and for the next request to begin
REQUEST_LIMIT = 60.0  # s for the rest of a request: a slow body, and our answer
SEND_BUFFER = 64 * 1024  # bytes that the kernel buffers for a slow reader: the log has the rest
CONTINUE = "100-continue"  # the expectation of a client that waits with its body
UNANSWERED_LIMIT = 60_000  # ms for which sent data may stay unacknowledged (RFC 5482)

StartResponse = Callable[..., Any]


class EventStream(Response):
    """A 200 answer of `text/event-stream` without an end.

    The body is in chunks for HTTP/1.1, and ends with the connection for HTTP/1.0.
    """

    def __init__(
        self, hub: Hub, subscription: Subscription, reservation: Reservation | None = None
    ):
        super().__init__(
            content_type="text/event-stream; charset=utf-8",
            headers={
                "Cache-Control": "no-store, no-transform",
                "X-Accel-Buffering": "no",
                "Connection": "close",
            },
        )
        self.automatically_set_content_length = False
        self.headers.pop("Content-Length", None)
        self._hub = hub
        self._subscription = subscription
        self._reservation = reservation

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        hand_off = environ.get(HAND_OFF)
        if hand_off is not None:
            hand_off(self)
            return ()
        # "Connection" is hop-by-hop, which PEP 3333 leaves to the server.
        headers = [(k, v) for k, v in self.headers.to_wsgi_list() if k != "Connection"]
        start_response(self.status, headers)
        if environ["REQUEST_METHOD"] == "HEAD":
            return ()
        ours, theirs = socket.socketpair()
        self.take_over(ours)
        return Readable(theirs)

    def take_over(
        self, connection: socket.socket, head: bytes = b"", chunked: bool = False
    ) -> None:
        """Pass the connection to the hub; the socket object is detached afterwards."""
        connection.setblocking(False)
        self._hub.open(connection.detach(), self._subscription, head, chunked, self._reservation)

    def head(self, chunked: bool) -> bytes:
        """Return the head of the response, with the time (RFC 9110, section 6.6.1)."""
        headers = [("Date", formatdate(usegmt=True)), *self.headers.to_wsgi_list()]
        if chunked:
            headers.append(("Transfer-Encoding", "chunked"))
        lines = [f"HTTP/1.1 {self.status}", *(f"{name}: {value}" for name, value in headers)]
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


class Readable:
    """The reading end of a stream, as a WSGI response body."""

    def __init__(self, connection: socket.socket):
        self._connection = connection

    def __iter__(self) -> Iterator[bytes]:
        while data := self._connection.recv(65536):
            yield data

    def close(self) -> None:
        self._connection.close()


class HandOffServer(WSGIServer):
    """gevent's server for a HandOffHandler, with a `close` that begins an orderly end."""

    def __init__(self, *args: Any, **options: Any):
        super().__init__(*args, **options)
        self.closing = False
        self._connections: set[gevent_socket] = set()  # without those of streams
        self._idle: set[gevent_socket] = set()

    def close(self) -> None:
        """Accept no connection any more, and close those that wait for a request. Does not wait.

        Requests under way go on, and are cut after STOP_LIMIT; `pool` is empty then.
        """
        super().close()
        if not self.closing:
            self.closing = True
            for connection in tuple(self._idle):
                hang_up(connection)
            spawn_later(STOP_LIMIT, self._cut)

    def _cut(self) -> None:
        """End the requests under way. A killed one would still wait for the rest of its body."""
        for connection in tuple(self._connections):
            shut_down(connection)
        if self.pool is not None:
            self.pool.kill(block=False)

    def start_accepting(self) -> None:
        """Begin, unless `close` was called while the server looked up its own name."""
        if not self.closing:
            super().start_accepting()

    @contextmanager
    def connected(self, connection: gevent_socket) -> Iterator[None]:
        """A block in which the connection has requests."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)

    @contextmanager
    def idle(self, connection: gevent_socket) -> Iterator[None]:
        """A block in which the connection waits for a request."""
        self._idle.add(connection)
        try:
            if self.closing:
                hang_up(connection)
            yield
        finally:
            self._idle.discard(connection)


def hang_up(connection: gevent_socket) -> None:
    """End an idle connection, unless a request has arrived in the meantime: that is answered."""
    try:
        arrived = fcntl.ioctl(connection.fileno(), termios.FIONREAD, bytes(4)) != bytes(4)
    except OSError:
        return  # the client has closed it
    if not arrived:
        shut_down(connection)


def shut_down(connection: gevent_socket) -> None:
    """End every wait for the client."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass  # the client has closed it


class HandOffHandler(WSGIHandler):
    """gevent's request handler with the hand-off. `server.py` and gunicorn use it."""

    server: HandOffServer
    _stream: EventStream | None = None
    _timer: Any

    def handle(self) -> None:
        # pywsgi writes head and body apart: the second would wait 40 ms for the first one's
        # acknowledgement (RFC 1122, section 4.2.3.4 beside 4.2.3.2).
        if self.socket.family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.server.connected(self.socket):
            super().handle()

    def handle_one_request(self) -> Any:
        """Handle a request within limits of time: pywsgi waits for a slow client for ever."""
        self.environ = None  # else the access log's line of a malformed request is the last one's
        self._limit_to(HEAD_LIMIT)
        try:
            more = super().handle_one_request()
        finally:
            self._timer.close()
        return None if more is True and self.server.closing else more

    def read_request(self, raw_requestline: str) -> Any:
        """Raises ValueError, which pywsgi answers with 400 and the end of the connection."""
        parsed = super().read_request(raw_requestline)
        if self.request_version == "HTTP/0.9":
            raise request_target.InvalidTarget
        assert self.command is not None
        assert self.path is not None
        assert self.request_version is not None
        host, self.path = request_target.split(self.command, self.path)
        hosts = self.headers.get_all("host", [])
        request_target.refuse_uncertain_host(self.request_version, hosts)
        if host is not None:  # "MUST ignore the received Host" (RFC 9112, section 3.2.2)
            del self.headers["host"]
            self.headers["Host"] = host
        self._read_expectation()
        return parsed

    def _read_expectation(self) -> None:
        """pywsgi compares by case, and continues for HTTP/1.0 too (RFC 9110, section 10.1.1)."""
        if self.headers.get("expect", "").lower() == CONTINUE:
            del self.headers["expect"]
            if self.request_version != "HTTP/1.0":
                self.headers["Expect"] = CONTINUE

    def MessageClass(self, file: Any, *_: Any) -> Any:  # noqa: N802 (pywsgi's name)
        """Parse the headers. Raises UncertainEnd, which pywsgi answers with 400."""
        lines: Any = HeaderLines(file)
        headers = super().MessageClass(lines)
        refuse_uncertain_end(headers, self.request_version)
        return headers

    def _limit_to(self, seconds: float) -> None:
        self._timer = get_hub().loop.timer(seconds)
        self._timer.start(self._give_up)

    def _give_time(self, seconds: float) -> None:
        self._timer.close()
        self._limit_to(seconds)

    def _give_up(self) -> None:
        """An exception would end one wait, and pywsgi would then read the rest of the body."""
        shut_down(self.socket)

    def read_requestline(self) -> Any:
        with self.server.idle(self.socket):
            self.rfile.peek(1)
        return super().read_requestline()

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Any:
        if self.server.closing and not any(name.lower() == "connection" for name, _ in headers):
            headers = [*headers, ("Connection", "close")]  # RFC 9112, section 9.6
        return super().start_response(status, headers, exc_info)

    def get_environ(self) -> dict[str, Any]:
        self._timer.close()  # the head has been received
        self._limit_to(REQUEST_LIMIT)
        environ: dict[str, Any] = super().get_environ()
        environ[REPEATED_HEADERS] = repeated(self.headers.keys())
        environ[MORE_TIME] = self._give_time
        if not isinstance(self.socket, SSLSocket):
            environ[HAND_OFF] = self._accept
        return environ

    def _handle_client_error(self, ex: Exception) -> Any:
        """Log a malformed request by the class of its error: the error's text quotes the request,
        which may have a token in it."""
        described = ValueError(type(ex).__name__)
        return super()._handle_client_error(described)  # type: ignore[misc]

    def _log_error(self, t: type[BaseException], v: BaseException, tb: TracebackType) -> None:
        """Log an exception of the application without its text and the Host header, likewise."""
        if not issubclass(t, GreenletExit):
            self.server.error_log.write("".join([*format_tb(tb), t.__name__, "\n"]))

    def _accept(self, stream: EventStream) -> None:
        self._stream = stream
        self.start_response(stream.status, stream.headers.to_wsgi_list())

    def process_result(self) -> None:
        """Called when the application has returned: its request and database session are over."""
        stream, self._stream = self._stream, None
        if stream is None:
            super().process_result()
            return
        self.close_connection = True
        chunked = self.request_version == "HTTP/1.1"
        head = stream.head(chunked)
        if self.command == "HEAD":
            self.socket.sendall(head)
            return
        limit_buffering(self.socket)
        stream.take_over(self.socket, head, chunked)


def limit_buffering(connection: gevent_socket) -> None:
    """Bound the kernel's memory for a slow reader, and its waiting for a vanished one."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    if connection.family != socket.AF_UNIX and hasattr(socket, "TCP_USER_TIMEOUT"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNANSWERED_LIMIT)


def repeated(names: Iterable[str]) -> list[str]:
    """The SINGLE_HEADERS that are more than once among the names of a request's headers."""
    lower = [name.lower() for name in names]
    if len(set(lower)) == len(lower):
        return []
    return sorted(name for name in SINGLE_HEADERS if lower.count(name) > 1)
