"""An open stream of server-sent events, parsed by httpx-sse, independently of rtapp's encoder."""

import json
import re
import time
from collections import deque
from typing import Any
from typing import Self

import gevent
from httpx_sse import ServerSentEvent
from werkzeug.test import TestResponse

from rtapp.events.catalogue import EPHEMERAL

from .parsing import StreamParser
from .waiting import PATIENCE

# The heartbeat. It may arrive between any two events.
PING = "stream.ping"
# Ephemeral state in the `turbo` and `htmx` formats, whose events have no name.
STATE = re.compile(
    r'<(turbo-stream action="\w+" |hx-partial hx-)target="#?(unread|present|viewing|typing)\b'
)


class Ended(AssertionError):
    """The stream ended before an expected event."""


class EventReader:
    """The interface of a reader of an open stream, whatever the stream comes through."""

    def any(self, timeout: float = PATIENCE) -> ServerSentEvent:
        """The next event, pings included. Raises AssertionError if none arrives within `timeout` s,
        Ended if the stream ended."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def next(self) -> ServerSentEvent:
        """The next event that is neither ephemeral nor a ping.

        Raises AssertionError after PATIENCE without any event, Ended if the stream ended.
        """
        while (event := self.any()).event in (PING, *EPHEMERAL) or STATE.match(event.data):
            pass
        return event

    def ephemeral(self, name: str) -> dict[str, Any]:
        """The data of the next event of that name. Skips other events. Raises as `next`."""
        data: dict[str, Any] = json.loads(self.until(name)[-1].data)["data"]
        return data

    def until(self, name: str) -> list[ServerSentEvent]:
        """All events up to the first of that name. Raises as `next`."""
        events = [self.any()]
        while events[-1].event != name:
            events.append(self.any())
        return events

    def named(self, name: str) -> ServerSentEvent:
        """`next()`. Raises AssertionError if the event has another name."""
        event = self.next()
        assert event.event == name, event
        return event


class Stream(EventReader):
    """A response of the test client. `raw` is all that has been read of it."""

    def __init__(self, response: TestResponse):
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.content_type == "text/event-stream; charset=utf-8"
        self.response = response
        self._chunks = iter(response.response)
        self._parser = StreamParser()
        self._events: deque[ServerSentEvent] = deque()
        self._reading: Any = None
        self._raw = b""

    @property
    def raw(self) -> str:
        return self._raw.decode()

    def any(self, timeout: float = PATIENCE) -> ServerSentEvent:
        deadline = time.monotonic() + timeout
        while not self._events:
            self._read(deadline - time.monotonic())
        return self._events.popleft()

    def ended(self) -> bool:
        """Read until the stream ends, then close it. Returns True; raises AssertionError if nothing
        arrives for PATIENCE."""
        try:
            while True:
                self._read(PATIENCE)
        except Ended:
            self.close()
            return True

    def _read(self, timeout: float) -> None:
        # In a greenlet that goes on after a timeout, so that the next call gets its chunk.
        if self._reading is None:
            self._reading = gevent.spawn(next, self._chunks, None)
        try:
            chunk = self._reading.get(timeout=max(timeout, 0))
        except gevent.Timeout:
            raise AssertionError("no event came") from None
        self._reading = None
        if chunk is None:
            raise Ended("the stream has ended")
        assert isinstance(chunk, bytes)
        self._raw += chunk
        self._events.extend(frame.event for frame in self._parser.feed(chunk) if frame.fires)

    def close(self) -> None:
        if self._reading is not None:
            self._reading.kill()
            self._reading = None
        self.response.close()
