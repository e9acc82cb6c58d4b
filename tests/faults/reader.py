"""Readers, which record the events of their streams. They are greenlets of the test's process."""

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Callable
from collections.abc import Iterable
from functools import partial
from typing import Any
from typing import NamedTuple
from urllib.parse import quote

import gevent

from rtapp.events.catalogue import EPHEMERAL
from rtapp.realtime.cursor import Cursor
from rtapp.testing.parsing import Frame
from rtapp.testing.parsing import StreamParser

from ..harness.chunks import ChunkDecoder
from ..harness.gate import Gate
from ..harness.supervision import spawn
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .server import Endpoint

ACCOUNT = 1  # of the demo
SILENCE = 45.0  # s without a byte until a reader takes its connection for dead


class Event(NamedTuple):
    """A received event, with the number of its connection and the time."""

    connection: int
    at: float
    id: str
    event: str
    data: Any


class Reader:
    """One client: reads Server-Sent Events from a raw socket, and resumes from its last id.

    `tear` returns the number of bytes of the body, in its chunks, after which it cuts its next
    connection, or None. `gate` is passed before each read. The reader obeys `stream.closed`.
    """

    def __init__(
        self,
        server: Endpoint,
        *streams: str,
        who: str = "Ada",
        receive_buffer: int | None = None,
        headers: dict[str, str] | None = None,
    ):
        self.streams = streams
        self.events: list[Event] = []  # durable ones
        self.ephemeral: list[Event] = []
        self.controls: list[Event] = []
        self.port = 0  # the local port of the current connection
        self.connection = 0  # number of connections that were answered
        self.refusals: Counter[int] = Counter()
        self.cuts = 0  # connections that ended without stream.closed
        self.torn = 0  # of these, by the reader itself
        self.cursor: str | None = None
        self.ended: str | None = None  # the reason of a stream.closed without reconnect
        self.open = False  # whether stream.open came on the current connection
        self.faults: list[str] = []  # violations of the protocol
        self.gate = Gate("a reader", closed=False)
        self.tear: Callable[[], int | None] = intact
        self._server, self._receive_buffer = server, receive_buffer
        self._headers = headers or server.bearer(who)
        self._delay = 0.0
        self._wanted = True
        self._stands: Cursor | None = None
        self._greenlet = spawn(self._run)

    # Records

    def told(self, event: str) -> list[Event]:
        return [control for control in self.controls if control.event == event]

    @property
    def resets(self) -> list[Event]:
        return self.told("stream.reset")

    @property
    def dead(self) -> bool:
        return self.ended is None and self._greenlet.dead

    def close(self) -> None:
        self._wanted = False
        self._greenlet.kill()

    # Reading

    def _run(self) -> None:
        while self._wanted and self.ended is None:
            try:
                self._read_one()
            except OSError:
                pass
            self.open = False
            if self.ended is None and self._wanted:
                gevent.sleep(self._delay or random.uniform(0.02, 0.1))
                self._delay = 0

    def _read_one(self) -> None:
        path = f"/streams/{self.streams[0]}"
        if "?" in self.streams[0] or ":" in self.streams[0]:
            path = "/streams?" + "&".join(f"stream={quote(name)}" for name in self.streams)
        with socket.socket() as connection:
            if self._receive_buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer)
            connection.settimeout(SILENCE)
            connection.connect(("127.0.0.1", self._server.port))
            self.port = connection.getsockname()[1]
            headers = dict(self._headers)
            if self.cursor:
                headers["Last-Event-ID"] = self.cursor
            connection.sendall(self._server.request(path, headers))
            self._read_body(connection, self._read_head(connection))

    def _read_head(self, connection: socket.socket) -> bytes:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(4096)
            if not data:
                raise OSError("the connection ended before the head did")
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        if status != 200:
            self.refusals[status] += 1
            raise OSError(f"answered {status}")
        assert b"text/event-stream" in head
        self.connection += 1
        return body

    def _read_body(self, connection: socket.socket, chunk: bytes) -> None:
        left: int | None = None
        chunks, parser = ChunkDecoder(), StreamParser()
        closed = False
        self._stands = None
        while True:
            if left is None:
                left = self.tear()
            if left is not None:
                chunk = chunk[:left]
                left -= len(chunk)
            for frame in parser.feed(chunks.feed(chunk)):
                closed = self._take(frame) or closed
            self.faults += parser.unexpected
            parser.unexpected.clear()
            if left == 0:
                self.torn += 1
                break
            if chunks.ended:
                break  # a proxy may keep the connection for another request
            self.gate()
            try:
                chunk = connection.recv(65536)
            except OSError:
                break
            if not chunk:
                break
        if not closed:
            self.cuts += 1
        if closed is not chunks.ended and left != 0:
            self.faults.append(f"stream.closed: {closed}; a last chunk: {chunks.ended}")

    def _take(self, frame: Frame) -> bool:
        """Process one frame. Return whether it was stream.closed."""
        if not frame.fires:
            self.faults.append(f"no frame of the protocol: {frame}")
            return False
        event = Event(
            self.connection,
            time.monotonic(),
            frame.id,
            frame.event.event,
            json.loads(frame.event.data),
        )
        if event.event in EPHEMERAL:
            self._take_ephemeral(event)
            return False
        durable = not event.event.startswith("stream.")
        if event.id:
            self._move(event, durable)
        if durable:
            self.events.append(event)
            return False
        self.controls.append(event)
        self.open = self.open or event.event == "stream.open"
        if event.event != "stream.closed":
            return False
        if not event.data["reconnect"]:
            self.ended = event.data["reason"]
        self._delay = event.data["retry_after"] / 1000
        return True

    def _take_ephemeral(self, event: Event) -> None:
        if event.id or not self.open:
            self.faults.append(f"{event} has an id, or came before stream.open")
        self.ephemeral.append(event)

    def _move(self, event: Event, durable: bool) -> None:
        """Check that ids only grow on a connection, and that an event is newer than earlier ids."""
        if durable and not self.open:
            self.faults.append(f"{event} came before stream.open")
        cursor, stands = Cursor.parse(event.id), self._stands
        if event.event == "stream.reset":
            stands = None
        if stands is not None:
            if stands.epoch != cursor.epoch:
                self.faults.append(f"{event} is of another epoch than {stands}, without a reset")
            elif cursor < stands or (durable and cursor == stands):
                self.faults.append(f"{event} came after {stands}")
        self._stands, self.cursor = cursor, event.id


def intact() -> None:
    return None


def several(server: Endpoint, conversations: Iterable[int], **more: Any) -> list[Reader]:
    """Readers of each conversation, of the account, and of all of them on one connection."""
    conversations = list(conversations)
    return [
        *(Reader(server, f"conversations/{c}", **more) for c in conversations),
        Reader(server, f"accounts/{ACCOUNT}", **more),
        Reader(server, f"account:{ACCOUNT}", *(f"conversation:{c}" for c in conversations), **more),
    ]


def never_read(server: Endpoint, path: str, count: int) -> list[socket.socket]:
    """Streams that nobody reads, with as small a buffer as the kernel allows; all have been opened.

    Each is looked at as soon as it is asked for: the server closes it 30 s after it is full, and a
    reset takes along what had arrived.
    """
    sockets: list[socket.socket] = []
    for _ in range(count):
        connection = socket.socket()
        sockets.append(connection)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connection.settimeout(PATIENCE)
        connection.connect(("127.0.0.1", server.port))
        connection.sendall(server.request(path, server.bearer("Ada")))
        eventually(partial(_opened, connection), "a stream that nobody reads is open")
    return sockets


def _opened(connection: socket.socket) -> bool:
    return b"stream.open" in connection.recv(1024, socket.MSG_PEEK)
