"""One open stream: a non-blocking socket, a cursor, and the unsent rest of at most one frame.

There is no queue. What a socket does not take stays in the log, and the subscriber reads it from
there: LIVE ⇄ CATCHING_UP, until it is closed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from .broker import Topic
from .cursor import Cursor


class State(Enum):
    CATCHING_UP = "catching_up"  # reads the log from its cursor
    LIVE = "live"  # is written to as messages arrive
    CLOSED = "closed"


class Closing(NamedTuple):
    """What a client is told as its stream is closed: `retry_after` in ms, before jitter."""

    reconnect: bool
    retry_after: int = 0


# Every reason for which the hub closes a stream. "gone" is the peer's own doing.
CLOSINGS = {
    "forbidden": Closing(reconnect=False),
    "signed_out": Closing(reconnect=False),
    "lifetime": Closing(reconnect=True, retry_after=1_000),
    "shutdown": Closing(reconnect=True, retry_after=2_000),
    "too_slow": Closing(reconnect=True, retry_after=5_000),
    "gone": Closing(reconnect=True),
}


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a request was allowed: which streams, by which topics, for whom, from where on.

    `cursor` is None for "from now on". All topics are of one account. `user_id` says whose streams
    count together and are authorised again together.
    """

    account_id: int
    streams: tuple[str, ...]
    topics: tuple[Topic, ...]
    format: str = "json"
    cursor: Cursor | None = None
    user_id: int | None = None
    credential: str = ""  # by which the request was signed in, as `auth` names it
    address: str = ""


class Channel:
    """A topic that this process listens to. `position` is the newest message heard on it.

    Invariant: every live subscriber of it has everything up to `position`.
    """

    __slots__ = ("confirmed", "name", "position", "subscribers", "topic")

    def __init__(self, topic: Topic):
        self.topic = topic
        self.name = topic.channel.encode()
        self.subscribers: set[Subscriber] = set()
        self.position: Cursor | None = None
        self.confirmed = False  # whether Redis has said that it will tell us of it


class Burst:
    """Frames that leave together, joined once for however many sockets they go to."""

    __slots__ = ("frames", "payload")

    def __init__(self, frames: Sequence[tuple[Cursor, bytes]]):
        self.frames = frames
        self.payload = frames[0][1] if len(frames) == 1 else b"".join(f for _, f in frames)

    def after(self, cursor: Cursor) -> Burst | None:
        """What is left of it for someone who has everything up to `cursor`."""
        frames = [pair for pair in self.frames if pair[0] > cursor]
        return Burst(frames) if frames else None


class Subscriber:
    """Owns the descriptor `fd` from here on. Writing raises OSError when the peer is gone."""

    __slots__ = (
        "__weakref__",
        "cursor",
        "expires",
        "fd",
        "opened",
        "rest",
        "state",
        "subscription",
        "topics",
    )  # fmt: skip

    def __init__(self, fd: int, subscription: Subscription, expires: float):
        self.fd = fd
        self.subscription = subscription
        self.topics: tuple[Channel, ...] = ()
        self.cursor = subscription.cursor
        self.rest = b""
        self.state = State.CATCHING_UP
        self.opened = False  # whether stream.open has been sent
        self.expires = expires

    def send(self, burst: Burst) -> bool:
        """Writes a burst at once. Returns False when the socket did not take all of it.

        Then the cursor stands at the last frame of which any byte left, and `rest` is what remains
        of that frame: whatever follows is read from the log again.
        """
        payload = burst.payload
        try:
            sent = os.write(self.fd, payload)
        except BlockingIOError:
            return False
        if sent == len(payload):
            self.cursor = burst.frames[-1][0]
            return True
        for cursor, frame in burst.frames:
            if sent <= 0:
                break
            self.cursor, self.rest = cursor, frame[sent:]
            sent -= len(frame)
        return False

    def push(self, control: bytes) -> bool:
        """Writes control frames, which no log has, and keeps all that the socket did not take."""
        self.rest += control
        return self.flush()

    def flush(self) -> bool:
        """Writes the rest. Returns whether nothing is left of it."""
        if self.rest:
            try:
                self.rest = self.rest[os.write(self.fd, self.rest) :]
            except BlockingIOError:
                pass
        return not self.rest

    def close(self) -> None:
        self.state = State.CLOSED
        fd, self.fd = self.fd, -1
        os.close(fd)
