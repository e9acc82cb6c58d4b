"""An open stream as it crosses the wire, read by a parser that is not ours."""

import json
import re
import time
from typing import Any

import gevent
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder
from werkzeug.test import TestResponse

from rtapp.events.catalogue import EPHEMERAL

from .waiting import PATIENCE

# Comes whenever it is due, and says only that the stream is alive.
PING = "stream.ping"
# What is ephemeral in `turbo` format, where no event has a name: who is there now.
STATE = re.compile(r'<turbo-stream action="\w+" target="(unread|present|viewing|typing)\b')


class Ended(AssertionError):
    """The stream has ended, and there was to be something more."""


class Stream:
    def __init__(self, response: TestResponse):
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.content_type == "text/event-stream; charset=utf-8"
        self.response = response
        self._chunks = iter(response.response)
        self._decoder = SSEDecoder()
        self._lines: list[str] = []
        self._reading: Any = None
        self._rest = ""
        self.raw = ""

    def next(self) -> ServerSentEvent:
        """The next event but ephemeral ones and pings. Fails if there is none within PATIENCE."""
        while (event := self.any()).event in (PING, *EPHEMERAL) or STATE.match(event.data):
            pass
        return event

    def ephemeral(self, name: str) -> dict[str, Any]:
        """The data of the next ephemeral event of that name, whatever comes before it."""
        while (event := self.any()).event != name:
            pass
        data: dict[str, Any] = json.loads(event.data)["data"]
        return data

    def any(self, timeout: float = PATIENCE) -> ServerSentEvent:
        """The next event that fires. Fails if there is none within `timeout` s."""
        deadline = time.monotonic() + timeout
        while True:
            while self._lines:
                event = self._decoder.decode(self._lines.pop(0))
                if event is not None and event.data:
                    return event
            self._read(deadline - time.monotonic())

    def named(self, name: str) -> ServerSentEvent:
        event = self.next()
        assert event.event == name, event
        return event

    def ended(self) -> bool:
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
        text = chunk.decode()
        self.raw += text
        *lines, self._rest = (self._rest + text).split("\n")
        self._lines.extend(lines)

    def close(self) -> None:
        if self._reading is not None:
            self._reading.kill()
            self._reading = None
        self.response.close()
