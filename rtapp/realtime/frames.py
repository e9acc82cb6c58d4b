"""The frames that the hub sends: control events, and each message in the format asked for."""

import json
import logging
import random
from collections.abc import Callable
from collections.abc import Sequence
from functools import lru_cache

from . import sse
from .broker import Message
from .cursor import Cursor
from .subscriber import CLOSINGS
from .subscriber import Ephemeral

FORMATS = ("json", "html", "turbo")
HEARTBEAT = 15  # s between two pings of a stream
RETRY_MS = (
    1_000,
    3_000,
)  # a native EventSource waits this long; spread, so that not all come at once
RESET = "stream.reset"  # published under this name, a message resets the streams that hear it
RENDER_CACHE_SIZE = 4_096  # fragments kept: a replay to many clients renders each event once

logger = logging.getLogger(__name__)

# (format, event name, body) → the data of the frame, or None if the event shows nothing there.
Render = Callable[[str, str, bytes], str | None]


class Frames:
    def __init__(self, render: Render):
        self._render = lru_cache(RENDER_CACHE_SIZE)(render)

    def ephemeral(self, ephemeral: Ephemeral, format: str) -> bytes:
        """Its frame; empty where it shows nothing."""
        if format == "json":
            return b"event: %b\ndata: %b\n\n" % (ephemeral.event.encode(), ephemeral.body)
        try:
            data = self._render(format, ephemeral.event, ephemeral.body)
        except Exception:
            logger.exception("Rendering %s as %s failed", ephemeral.event, format)
            return b""
        if data is None:
            return b""
        return sse.frame(data, ephemeral.event if format == "html" else None)

    def message(self, message: Message, format: str) -> tuple[Cursor, bytes]:
        """A message as its cursor and its frame. Where it shows nothing, its id still moves."""
        if message.event == RESET:
            return message.cursor, reset("history_lost", message.cursor)
        id = str(message.cursor)
        if format == "json":
            frame = b"id: %b\nevent: %b\ndata: %b\n\n" % (
                id.encode(),
                message.event.encode(),
                message.body,
            )
            return message.cursor, frame
        try:
            data = self._render(format, message.event, message.body)
        except Exception:
            # A broken template must not stop the others' deliveries. The client refetches.
            logger.exception("Rendering %s as %s failed", message.event, format)
            return message.cursor, reset("history_lost", message.cursor)
        # Turbo's stream source listens to `message` only, which is an event without a name.
        return message.cursor, sse.frame(data, message.event if format == "html" else None, id)


def retry() -> bytes:
    return sse.retry(random.randint(*RETRY_MS))


def opened(streams: Sequence[str], resumed: bool, cursor: Cursor) -> bytes:
    fields = {"streams": streams, "resumed": resumed, "heartbeat": HEARTBEAT, "id": str(cursor)}
    return control("stream.open", fields, cursor)


def ping(lag: float, cursor: Cursor | None = None) -> bytes:
    return control("stream.ping", {"lag": round(lag, 3)}, cursor)


def reset(reason: str, cursor: Cursor) -> bytes:
    return control(RESET, {"reason": reason, "id": str(cursor)}, cursor)


def closed(reason: str) -> bytes:
    """`stream.closed`, and the same delay as `retry` for clients that know only that field."""
    closing = CLOSINGS[reason]
    delay = round(closing.retry_after * random.uniform(0.5, 1.5))
    fields = {"reason": reason, "reconnect": closing.reconnect, "retry_after": delay}
    frame = control("stream.closed", fields)
    return sse.retry(delay) + frame if closing.reconnect else frame


def control(event: str, fields: dict[str, object], cursor: Cursor | None = None) -> bytes:
    return sse.frame(json.dumps(fields), event, str(cursor) if cursor else None)
