"""An open stream as it crosses the wire, read by a parser that is not ours."""

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

# Comes whenever it is due, and says only that the stream is alive.
PING = "stream.ping"
# What is ephemeral in `turbo` format, where no event has a name: who is there now.
STATE = re.compile(r'<turbo-stream action="\w+" target="(unread|present|viewing|typing)\b')


class Ended(AssertionError):
    """The stream has ended, and there was to be something more."""


class EventReader:
    """What every reader of an open stream offers, whatever the stream comes through."""

    def any(self, timeout: float = PATIENCE) -> ServerSentEvent:
        """The next event that fires. Fails if there is none within `timeout` s."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def next(self) -> ServerSentEvent:
        """The next event but ephemeral ones and pings. Fails if there is none within PATIENCE."""
        while (event := self.any()).event in (PING, *EPHEMERAL) or STATE.match(event.data):
            pass
        return event

    def ephemeral(self, name: str) -> dict[str, Any]:
        """The data of the next ephemeral event of that name, whatever comes before it."""
        data: dict[str, Any] = json.loads(self.until(name)[-1].data)["data"]
        return data

    def until(self, name: str) -> list[ServerSentEvent]:
        """All events up to the first of that name."""
        events = [self.any()]
        while events[-1].event != name:
            events.append(self.any())
        return events

    def named(self, name: str) -> ServerSentEvent:
        """The next event but ephemeral ones and pings, which has that name."""
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
        """Whether it ends, whatever comes before that. Fails if nothing comes within PATIENCE."""
        try:
            while True:
                self._read(PATIENCE)
        except Ended:
            self.close()
            return True

    def _read(self, timeout: float) -> None:
        # In a greenlet, which goes on after a timeout: nothing that arrives later is lost.
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
