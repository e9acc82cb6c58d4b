"""The frames of streams: control events, and each message in the format of its stream."""

import json
import logging
import random
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from . import sse
from .broker import Message
from .burst import Burst
from .burst import Ephemeral
from .burst import Position
from .cursor import Cursor

FORMATS = ("json", "html", "htmx", "turbo")
HEARTBEAT = 15  # s between two pings of a stream
# How long a native EventSource waits until it reconnects; spread, so that not all come at once.
RETRY_MS = (1_000, 3_000)
SPREAD = (2 / 3, 4 / 3)  # of a delay until all streams reconnect
RESET = "stream.reset"  # published under this name, a message resets the streams that receive it
RENDER_CACHE_SIZE = 4_096  # fragments: a replay to many clients renders each event once


class Closing(NamedTuple):
    """The fields of `stream.closed`: `retry_after` in ms, before it is spread."""

    reconnect: bool
    retry_after: int = 0


# Every reason for which the hub closes a stream. "gone": the client disconnected.
CLOSINGS = {
    "forbidden": Closing(reconnect=False),
    "signed_out": Closing(reconnect=False),
    "lifetime": Closing(reconnect=True, retry_after=1_000),
    # A server takes 3 to 4 s to start. Until then, a proxy in front of it answers 502, and a native
    # EventSource does not try again after that.
    "shutdown": Closing(reconnect=True, retry_after=6_000),
    "too_slow": Closing(reconnect=True, retry_after=5_000),
    # By an administrator. It is no loss of rights: the client comes back, and not at once.
    "ended": Closing(reconnect=True, retry_after=10_000),
    "waited": Closing(reconnect=True, retry_after=10),  # long polling: the next request, at once
    "gone": Closing(reconnect=True),
}

logger = logging.getLogger(__name__)

# (format, event name, body) → the frame's data, or None if the format shows nothing of the event.
Render = Callable[[str, str, bytes], str | None]


class Frames:
    def __init__(self, render: Render):
        self._render = lru_cache(RENDER_CACHE_SIZE)(render)

    def ephemeral(self, ephemeral: Ephemeral, format: str) -> bytes:
        """Return its frame; empty where the event shows nothing in the format."""
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
        """Return a message's cursor and frame. An event that shows nothing still has its id."""
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
            # A broken template must not stop other deliveries. The client fetches again.
            logger.exception("Rendering %s as %s failed", message.event, format)
            return message.cursor, reset("history_lost", message.cursor)
        # Turbo's stream source and htmx 4 take events without a name only.
        return message.cursor, sse.frame(data, message.event if format == "html" else None, id)

    def burst(
        self, events: Iterable[tuple[Position | None, Message | Ephemeral]], format: str
    ) -> Burst:
        """Return the frames of events, each with the position to which it moves a subscriber."""
        return Burst(
            [
                (position, self.ephemeral(event, format))
                if isinstance(event, Ephemeral)
                else self.message(event, format)
                for position, event in events
            ]
        )


def opened(streams: Sequence[str], resumed: bool, cursor: Cursor, expires_in: float) -> bytes:
    """`stream.open`. `expires_in`: s until the stream is closed because its lifetime ends."""
    fields = {
        "streams": streams,
        "resumed": resumed,
        "heartbeat": HEARTBEAT,
        "expires_in": max(0, int(expires_in)),
        "id": str(cursor),
    }
    return control("stream.open", fields, cursor, retry=random.randint(*RETRY_MS))


def ping(lag: float, cursor: Cursor | None = None, reason: str | None = None) -> bytes:
    """`reason`: the name of what keeps the stream from being up to date, if it is known."""
    fields: dict[str, object] = {"lag": round(lag, 3)}
    return control("stream.ping", fields | ({"reason": reason} if reason else {}), cursor)


def reset(reason: str, cursor: Cursor) -> bytes:
    return control(RESET, {"reason": reason, "id": str(cursor)}, cursor)


def closed(reason: str) -> bytes:
    """`stream.closed`, and the same delay as `retry` for clients that know only that field."""
    closing = CLOSINGS[reason]
    delay = round(closing.retry_after * random.uniform(*SPREAD))
    fields = {"reason": reason, "reconnect": closing.reconnect, "retry_after": delay}
    return control("stream.closed", fields, retry=delay if closing.reconnect else None)


def control(
    event: str, fields: dict[str, object], cursor: Cursor | None = None, retry: int | None = None
) -> bytes:
    return sse.frame(json.dumps(fields), event, str(cursor) if cursor else None, retry)
