"""A gateway between each client and the server: it records, cuts, refuses, and serves the pages.

Each client has a door, which is a port of its own.
"""

import asyncio
import contextlib
import mimetypes
import re
import threading
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import Any
from typing import Self

from ..browser.proxy import BAD_GATEWAY

HOST = "127.0.0.1"
NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
OPENED = b"event: stream.open\n"
RETRY = re.compile(rb"^retry: (\d+)$", re.MULTILINE)


@dataclass
class Stream:
    """A GET of a stream: its times in s (monotonic)."""

    asked: float
    received: bytes = b""
    ended: float | None = None

    @property
    def status(self) -> int:
        """The answer's status; 0 if there is none yet."""
        return int(self.received.split(b" ", 2)[1]) if b"\r\n" in self.received else 0

    @property
    def is_open(self) -> bool:
        return self.ended is None and OPENED in self.received

    @property
    def retry(self) -> float:
        """The last reconnection time that the server sent, in s."""
        return int(RETRY.findall(self.received)[-1]) / 1000


@dataclass
class Door:
    """`pages`: the paths that the gateway answers itself. `version`: of HTTP, to the server."""

    pages: dict[str, bytes]
    packages: dict[str, Path]
    version: bytes = b"1.1"
    url: str = ""
    streams: list[Stream] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return any(stream.is_open for stream in self.streams)

    def answered(self, status: int) -> int:
        """Return the number of requests for a stream with that answer."""
        return sum(stream.status == status for stream in self.streams)

    def file(self, path: str) -> bytes | None:
        """Return the content of a page, or of a package's file: `/npm/PACKAGE/FILE`."""
        if path in self.pages:
            return self.pages[path]
        for name, folder in self.packages.items():
            if path.startswith(f"/npm/{name}/"):
                found = folder / path.removeprefix(f"/npm/{name}/")
                # As bundlers do: `import "./fetch"` is fetch.js.
                return (found if found.suffix else found.with_suffix(".js")).read_bytes()
        return None


class Gateway:
    """`mode` is for streams, also those that are open. pass: forward. away: cut connections, as
    while no server is there. refuse: cut streams, and answer 502."""

    def __init__(self, port: int):
        self._port = port
        self._mode = "pass"
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._servers: list[asyncio.Server] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def open(self, door: Door) -> Door:
        self._run(self._listen(door))
        return door

    def set(self, mode: str) -> None:
        self._run(self._set(mode))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _set(self, mode: str) -> None:
        self._mode = mode
        if mode != "pass":
            for writer in self._open:
                writer.transport.abort()

    async def _stop(self) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen(self, door: Door) -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(door, reader, writer)
            writer.close()
            self._tasks.discard(task)

        server = await asyncio.start_server(serve, HOST, 0, backlog=64)
        self._servers.append(server)
        door.url = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"

    async def _serve(
        self, door: Door, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        path = target.decode().partition("?")[0]
        content = door.file(path)
        if content is not None:
            kind = mimetypes.guess_type(path if Path(path).suffix else path + ".js")[0]
            writer.write(
                f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\n"
                f"Content-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()
            )
            writer.write(content)
            await writer.drain()
        elif path == "/favicon.ico":
            writer.write(NOT_FOUND)
        elif path.startswith("/streams/"):
            stream = Stream(time.monotonic())
            if method == b"GET":
                door.streams.append(stream)
            try:
                await self._stream(door, stream, head, reader, writer)
            finally:
                stream.ended = time.monotonic()
        else:
            await self._forward(door, Stream(time.monotonic()), head, reader, writer)

    async def _stream(
        self,
        door: Door,
        stream: Stream,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        if self._mode == "refuse":
            stream.received = BAD_GATEWAY
            writer.write(BAD_GATEWAY)
            await writer.drain()
        elif self._mode == "away":
            writer.transport.abort()
        else:
            self._open.add(writer)
            try:
                await self._forward(door, stream, head, reader, writer)
            finally:
                self._open.discard(writer)

    async def _forward(
        self,
        door: Door,
        stream: Stream,
        head: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        """Pass one request and its answer on, as the only ones of their connections."""
        upstream, to_server = await asyncio.open_connection(HOST, self._port)
        lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"conn")]
        lines[0] = lines[0].replace(b"HTTP/1.1", b"HTTP/" + door.version)
        to_server.write(b"\r\n".join([*lines, b"Connection: close", b"", b""]))
        sending = asyncio.ensure_future(self._copy(reader, to_server))
        try:
            while data := await upstream.read(65536):
                stream.received += data
                writer.write(data)
                await writer.drain()
        finally:
            sending.cancel()
            to_server.close()

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, to_server: asyncio.StreamWriter) -> None:
        """Pass a request's body on, and the client's hanging up."""
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                to_server.write(data)
                await to_server.drain()
        to_server.transport.abort()
