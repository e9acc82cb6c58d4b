"""An open stream of server-sent events, parsed by httpx-sse, independently of rtapp's encoder."""

import json
import re
import time
from typing import Any

import gevent
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder
from werkzeug.test import TestResponse

from rtapp.events.catalogue import EPHEMERAL

PATIENCE = 5.0  # s, the timeout of every wait
# The heartbeat. It may arrive between any two events.
PING = "stream.ping"
# Ephemeral state in the `turbo` format, whose events have no name.
STATE = re.compile(r'<turbo-stream action="\w+" target="(unread|present|viewing|typing)\b')


class Ended(AssertionError):
    """The stream ended before an expected event."""


class Stream:
    """Reads the events of a streaming response. `raw` is the text received so far.

    Raises AssertionError if the response is no stream.
    """

    def __init__(self, response: TestResponse):
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.content_type == "text/event-stream; charset=utf-8"
        self.response = response
        self._chunks = iter(response.response)
        self._decoder = SSEDecoder()
        self._lines: list[str] = []
        self._reading: Any = None
        self._partial_line = ""
        self.raw = ""

    def next(self) -> ServerSentEvent:
        """The next event that is neither ephemeral nor a ping.

        Raises AssertionError after PATIENCE without any event, Ended if the stream ended.
        """
        while (event := self.any()).event in (PING, *EPHEMERAL) or STATE.match(event.data):
            pass
        return event

    def ephemeral(self, name: str) -> dict[str, Any]:
        """The data of the next event of that name. Skips other events. Raises as `next`."""
        while (event := self.any()).event != name:
            pass
        data: dict[str, Any] = json.loads(event.data)["data"]
        return data

    def any(self, timeout: float = PATIENCE) -> ServerSentEvent:
        """The next event, pings included. Raises AssertionError if none arrives within `timeout` s,
        Ended if the stream ended."""
        deadline = time.monotonic() + timeout
        while True:
            while self._lines:
                event = self._decoder.decode(self._lines.pop(0))
                if event is not None and event.data:
                    return event
            self._read(deadline - time.monotonic())

    def named(self, name: str) -> ServerSentEvent:
        """`next()`. Raises AssertionError if the event has another name."""
        event = self.next()
        assert event.event == name, event
        return event

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
        text = chunk.decode()
        self.raw += text
        *lines, self._partial_line = (self._partial_line + text).split("\n")
        self._lines.extend(lines)

    def close(self) -> None:
        if self._reading is not None:
            self._reading.kill()
            self._reading = None
        self.response.close()
