"""Reading a stream as bytes on a wire, strictly: every line must be a field that rtapp writes."""

import json
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

import gevent
from gevent.event import Event

from .waiting import DEADLINE


class Frame(NamedTuple):
    """One event as it stood on the wire. A field that was not there is None."""

    raw: str
    id: str | None = None
    event: str | None = None
    data: str | None = None
    retry: str | None = None

    @property
    def json(self) -> Any:
        assert self.data is not None, self
        return json.loads(self.data)


def parsed(raw: str) -> Frame:
    fields: dict[str, str] = {}
    for line in raw.split("\n"):
        name, separator, value = line.partition(": ")
        assert separator, f"not a field: {line!r}"
        assert name in ("id", "event", "data", "retry"), f"unknown field: {line!r}"
        assert name == "data" or name not in fields, f"repeated field: {raw!r}"
        fields[name] = f"{fields[name]}\n{value}" if name in fields else value
    return Frame(raw, **fields)


def is_ping(frame: Frame) -> bool:
    return frame.event == "stream.ping"


class Stream:
    """An open stream. Pings are left out: they come when they come."""

    def __init__(self, chunks: Iterable[bytes], close: Callable[[], None]):
        self._arrived: deque[Frame] = deque()
        self._something = Event()
        self._close = close
        self.ended = False
        self._reader = gevent.spawn(self._read, chunks)

    def _read(self, chunks: Iterable[bytes]) -> None:
        rest = b""
        for chunk in chunks:
            *whole, rest = (rest + chunk).split(b"\n\n")
            frames = [parsed(raw.decode()) for raw in whole]
            self._arrived.extend(frame for frame in frames if not is_ping(frame))
            self._something.set()
        assert rest == b"", f"an unfinished frame: {rest!r}"
        self.ended = True
        self._something.set()

    def next(self, within: float = DEADLINE) -> Frame:
        """The next frame; waits for it."""
        with gevent.Timeout(within, AssertionError(f"no frame within {within} s")):
            while not self._arrived:
                if self._reader.ready():
                    self._reader.get()
                    raise AssertionError("the stream ended")
                self._something.clear()
                self._something.wait(0.5)
        return self._arrived.popleft()

    def begin(self) -> Frame:
        """Reads what every stream begins with, and returns `stream.open`."""
        retry = self.next()
        assert retry.raw == f"retry: {retry.retry}", retry
        opened = self.next()
        assert opened.event == "stream.open", opened
        return opened

    def until(self, last: Callable[[Frame], bool]) -> list[Frame]:
        """The frames up to and including the first for which `last` holds."""
        frames = [self.next()]
        while not last(frames[-1]):
            frames.append(self.next())
        return frames

    def ends(self, within: float = DEADLINE) -> list[Frame]:
        """What still arrives until the server ends the stream."""
        self._reader.get(timeout=within)
        frames = list(self._arrived)
        self._arrived.clear()
        return frames

    def close(self) -> None:
        self._reader.kill()
        self._close()
