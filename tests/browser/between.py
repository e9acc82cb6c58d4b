"""Proxies as they are between a browser and a server: each meddles with streams in one way."""

import itertools
import random
import select
import socket
import time
import zlib
from collections.abc import Iterable
from collections.abc import Iterator

from ..harness.chunks import ChunkDecoder
from .proxy import Proxy

BUFFER = 64 * 1024  # bytes
DELAY = 3.0  # s
AGE = 11.0  # s
NO_BODY = b" 304 "
OUTAGE = 3  # requests for a stream that are answered with an error
STRIPPED = (b"last-event-id", b"authorization")
CACHING = (b"cache-control", b"x-accel-buffering")


class Between(Proxy):
    """Passes everything on. The others override one step of it."""

    about = "passes all on"

    def __init__(self, server: str):
        self.read = b""  # of the server's answers
        super().__init__(server)

    def _pass_on(self, client: socket.socket, server: socket.socket, is_stream: bool) -> None:
        pieces = self._read(client, server)
        first = next(pieces, b"")
        answer = itertools.chain([first], pieces)
        for data in answer if NO_BODY in first[:20] else self.response(answer):
            client.sendall(data)

    def _read(self, client: socket.socket, server: socket.socket) -> Iterator[bytes]:
        """The pieces of the answer, until either end hangs up."""
        while not self._stopped:
            ready, _, _ = select.select([client, server], [], [], 0.1)
            if client in ready and not client.recv(65536):
                raise OSError("the client has gone")
            if server in ready:
                data = server.recv(65536)
                if not data:
                    return
                self.read += data
                yield data

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        yield from pieces


def split(pieces: Iterator[bytes]) -> tuple[list[bytes], Iterator[bytes]]:
    """An answer's lines of the head, and its body without a framing."""
    read = b""
    while b"\r\n\r\n" not in read:
        if not (piece := next(pieces, b"")):
            raise OSError("the server has gone")
        read += piece
    head, _, body = read.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    chunked = any(line.lower().startswith(b"transfer-encoding") for line in lines)
    decoder = ChunkDecoder()

    def decoded() -> Iterator[bytes]:
        for piece in itertools.chain([body], pieces):
            yield decoder.feed(piece) if chunked else piece

    return without(lines, (b"transfer-encoding", b"content-length")), decoded()


def without(lines: Iterable[bytes], names: Iterable[bytes]) -> list[bytes]:
    return [line for line in lines if line.partition(b":")[0].lower() not in names]


def head_of(lines: Iterable[bytes]) -> bytes:
    return b"\r\n".join(lines) + b"\r\n\r\n"


class HoldsBack(Between):
    """Passes a response on when it is complete, as antivirus programs do."""

    about = "holds a response back until it is complete"
    on = True

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        if not self.on:
            yield from pieces
            return
        lines, body = split(pieces)
        whole = b"".join(body)
        yield head_of([*lines, b"Content-Length: %d" % len(whole)]) + whole


class Buffers(Between):
    """Passes on 64 KiB at a time."""

    about = "passes 64 KiB on at a time"

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        kept = b""
        for piece in pieces:
            kept += piece
            while len(kept) >= BUFFER:
                yield kept[:BUFFER]
                kept = kept[BUFFER:]
        yield kept


class Compresses(Between):
    """Compresses all, without a flush before the end."""

    about = "compresses without a flush"

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        lines, body = split(pieces)
        yield head_of([*lines, b"Content-Encoding: gzip"])
        packer = zlib.compressobj(wbits=31)
        for piece in body:
            yield packer.compress(piece)
        yield packer.flush()


class Strips(Between):
    """Removes headers that it does not care for."""

    about = "removes `Last-Event-ID`, `Authorization`, `Cache-Control`"

    def request(self, request: bytes) -> bytes:
        head, _, body = request.partition(b"\r\n\r\n")
        return head_of(without(head.split(b"\r\n"), STRIPPED)) + body

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        lines, body = split(pieces)
        yield head_of(without(lines, CACHING))
        yield from body


class Rechunks(Between):
    """Makes chunks of its own, of a few bytes, within frames and characters."""

    about = "makes chunks of its own"

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        lines, body = split(pieces)
        yield head_of([*lines, b"Transfer-Encoding: chunked"])
        for piece in body:
            chunks = b""
            while piece:
                size = random.randint(1, 50)
                chunks += b"%x;note=1\r\n%b\r\n" % (len(piece[:size]), piece[:size])
                piece = piece[size:]
            yield chunks
        yield b"0\r\n\r\n"


class Fails(Between):
    """Answers streams with an error page for a while."""

    about = "answers 502 with a page, for a while"
    status = b"502 Bad Gateway"

    def refusal(self) -> bytes | None:
        if len(self.asked) > OUTAGE:
            return None
        page = b"<h1>Oh no.</h1>"
        return b"HTTP/1.1 %b\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%b" % (
            self.status, len(page), page
        )  # fmt: skip


class FailsWith503(Fails):
    about = "answers 503 with a page, for a while"
    status = b"503 Service Unavailable"


class FailsWith504(Fails):
    about = "answers 504 with a page, for a while"
    status = b"504 Gateway Timeout"


class CutsByAge(Between):
    """Cuts every response at a fixed age."""

    about = "cuts every response at the same age"

    def __init__(self, server: str):
        self.cut_streams = 0
        super().__init__(server)

    def response(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        began = time.monotonic()
        for piece in pieces:
            yield piece
            if time.monotonic() - began > AGE:
                self.cut_streams += 1
                return


class SpeaksHttp10(Between):
    about = "speaks HTTP/1.0, without keep-alive"

    def request(self, request: bytes) -> bytes:
        return request.replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1)


class Repeats(Between):
    """Sends each request twice, and answers with the second answer."""

    about = "sends actions twice"

    def request(self, request: bytes) -> bytes:
        if request.startswith(b"POST"):
            with socket.create_connection(self._upstream) as server:
                server.sendall(request)
                while server.recv(65536):
                    pass
        return request


class IsSlow(Between):
    """Takes three seconds for each request."""

    about = "takes 3 s for each request"

    def request(self, request: bytes) -> bytes:
        time.sleep(DELAY)
        return request
