"""A proxy that a test controls: it cuts, stalls, answers 502 or 429, or drops all data."""

import contextlib
import select
import socket
import threading
import time
from urllib.parse import urlsplit

TURN = 0.02  # s between two checks of the mode
BAD_GATEWAY = (
    b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\nContent-Length: 15\r\n"
    b"Connection: close\r\n\r\n<h1>Oh no.</h1>"
)
RETRY_AFTER = 2  # s
TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\nRetry-After: %d\r\n"
    b"Connection: close\r\n\r\n" % RETRY_AFTER
)
OPEN = b"event: stream.open\n"
ANSWERS = {"refuse": BAD_GATEWAY, "limit": TOO_MANY}


class Proxy:
    """`mode` applies to open and new streams; pages and actions always pass.

    pass: forward. stall: keep the data. swallow: drop the data. refuse, limit: cut open streams and
    answer new ones with 502 or 429. snap: let `stream.open` through, and cut.
    """

    def __init__(self, server: str):
        self._upstream = (urlsplit(server).hostname, urlsplit(server).port)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.mode = "pass"
        self.asked: list[tuple[float, str]] = []  # time (s) and method of each request for a stream
        self.paths: list[str] = []  # of each of these
        self._cuts = 0
        self._stopped = False
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @property
    def streams(self) -> int:
        """Return the number of requests for streams so far."""
        return len(self.asked)

    def cut(self) -> None:
        """Cut the open streams."""
        self._cuts += 1

    def stop(self) -> None:
        self._stopped = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            request = self._request(client)
            if not request:
                return
            method, path = request.decode("latin-1").split(" ")[:2]
            is_stream = path.startswith("/streams")
            if is_stream:
                self.asked.append((time.monotonic(), method))
                self.paths.append(path)
                if (refusal := self.refusal()) is not None:
                    client.sendall(refusal)
                    return
            with socket.create_connection(self._upstream) as server:
                server.sendall(self.request(request))
                self._pass_on(client, server, is_stream)

    def refusal(self) -> bytes | None:
        """What to answer a request for a stream with, if it is not passed on."""
        return ANSWERS.get(self.mode)

    def request(self, request: bytes) -> bytes:
        """What to pass on in place of a request."""
        return request

    def _request(self, client: socket.socket) -> bytes:
        """Read one request with its body, and make it the last of its connection."""
        head, length = b"", 0
        while b"\r\n\r\n" not in head:
            data = client.recv(65536)
            if not data:
                return b""
            head += data
        head, _, body = head.partition(b"\r\n\r\n")
        lines = [
            line for line in head.split(b"\r\n") if not line.lower().startswith(b"connection:")
        ]
        for line in lines:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        while len(body) < length:
            body += client.recv(65536)
        return b"\r\n".join([*lines, b"Connection: close"]) + b"\r\n\r\n" + body

    def _pass_on(self, client: socket.socket, server: socket.socket, is_stream: bool) -> None:
        kept, cuts = b"", self._cuts
        while not self._stopped:
            mode = self.mode if is_stream else "pass"
            if is_stream and (mode in ANSWERS or cuts != self._cuts):
                return
            if kept and mode == "pass":
                client.sendall(kept)
                kept = b""
            ready, _, _ = select.select([client, server], [], [], TURN)
            if client in ready and not client.recv(65536):
                return
            if server in ready:
                data = server.recv(65536)
                if not data:
                    return
                if mode != "swallow":
                    kept += data
                if mode == "snap" and b"\n\n" in kept.partition(OPEN)[2]:
                    client.sendall(kept)
                    return
