"""A request of the doctor's to this installation, through the public address or past it.

Only two addresses are ever asked: RTAPP_URL, and the one on which the server listens. No redirect
is followed.
"""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from typing import Any
from typing import NamedTuple
from urllib.parse import urlsplit

from rtapp.config import SOCKET
from rtapp.config import Settings
from rtapp.config import is_socket

PATIENCE = 8.0  # s without a byte, after which the answer counts as held back
ANSWER_LIMIT = 64 * 1024  # bytes
LINE_LIMIT = 64 * 1024  # bytes of a line of a stream
ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


class Place(NamedTuple):
    """Where to ask. `port` is None for a unix socket at `host`."""

    host: str
    port: int | None
    secure: bool

    @classmethod
    def of_url(cls, url: str) -> "Place":
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        return cls(parts.hostname or "", parts.port or (443 if secure else 80), secure)

    @classmethod
    def of_server(cls, settings: Settings) -> "Place":
        """Where the server of these settings listens."""
        if is_socket(settings.host):
            return cls(settings.host.removeprefix(SOCKET), None, False)
        return cls(ANY_ADDRESS.get(settings.host, settings.host), settings.port, False)

    def connection(self) -> http.client.HTTPConnection:
        if self.port is None:
            return SocketConnection(self.host)
        if self.secure:
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                self.host, self.port, timeout=PATIENCE, context=context
            )
        return http.client.HTTPConnection(self.host, self.port, timeout=PATIENCE)


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: str):
        super().__init__("localhost", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._path)


@contextmanager
def answer(place: Place, path: str, **headers: str) -> Iterator[http.client.HTTPResponse]:
    """The response to a GET, for the block. Raises OSError and HTTPException; TimeoutError after
    PATIENCE seconds without a byte."""
    with closing(place.connection()) as connection:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request("GET", path, headers={"User-Agent": "rtapp doctor", **sent})
        with closing(connection.getresponse()) as response:
            yield response


def json_of(response: http.client.HTTPResponse) -> dict[str, Any]:
    """Raises ValueError for anything but an object."""
    found = json.loads(response.read(ANSWER_LIMIT))
    if not isinstance(found, dict):
        raise ValueError("no object")
    return found


def wait_for(response: http.client.HTTPResponse, event: bytes) -> None:
    """Read a stream up to the end of an event of this name. Raises TimeoutError after PATIENCE
    seconds, whatever else arrives, and EOFError if the stream ends before."""
    deadline, found = time.monotonic() + PATIENCE, False
    while time.monotonic() < deadline:
        line = response.readline(LINE_LIMIT)
        if not line:
            raise EOFError("the stream has ended")
        found = found or line.strip() == b"event: " + event
        if found and not line.strip():
            return
    raise TimeoutError("the event did not come in time")
