"""One open stream: a non-blocking socket, a cursor, and the unsent rest of at most one frame.

There is no queue. What a socket does not take stays in the log, and the subscriber reads it from
there: LIVE ⇄ CATCHING_UP, until it is closed.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from typing import TYPE_CHECKING
from typing import NamedTuple
from typing import TypeVar
from typing import cast

from .broker import Topic
from .cursor import Cursor
from .group import LeaseSpec

if TYPE_CHECKING:
    from .channel import Channel


INTERN_CACHE_SIZE = 4_096  # things that streams may have in common: kept for those that come later

Thing = TypeVar("Thing", bound=Hashable)


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
    leases: tuple[LeaseSpec, ...] = ()  # what it holds in groups as long as it is open

    def held(self) -> Subscription:
        """As an open stream holds it: without where it began, and with everything that is equal to
        another one's being one and the same."""
        held = Subscription(
            account_id=self.account_id,
            streams=shared(self.streams),
            topics=(),
            format=self.format,
            user_id=self.user_id,
            credential=shared(self.credential),
            address=shared(self.address),
            leases=shared(self.leases),
        )
        return shared(held)


@lru_cache(INTERN_CACHE_SIZE)
def _first(thing: Hashable) -> Hashable:
    return thing


def shared(thing: Thing) -> Thing:
    """Of all that are equal, the first: open streams hold much that others hold too."""
    return cast(Thing, _first(thing))


class Ephemeral(NamedTuple):
    """An event that no log has, as its envelope in JSON. It is not replayed; its state is."""

    event: str
    body: bytes


# What a frame moves a subscriber to: its cursor, or the number of an ephemeral event.
Mark = Cursor | int


class Burst:
    """Frames that leave together, joined once for however many sockets they go to."""

    __slots__ = ("cursor", "first", "frames", "payload", "told")

    def __init__(self, frames: Sequence[tuple[Mark, bytes]]):
        self.frames = frames
        self.payload = frames[0][1] if len(frames) == 1 else b"".join(f for _, f in frames)
        self.first: Cursor | None = None
        self.cursor: Cursor | None = None
        self.told: int | None = None
        for mark, _ in frames:
            if isinstance(mark, int):
                self.told = mark
            else:
                self.first = self.first or mark
                self.cursor = mark

    def after(self, cursor: Cursor | None) -> Burst | None:
        """What is left of it for someone who has everything up to `cursor`.

        Nothing of another epoch: others had their turns while the burst was written to many, and
        whoever went live in a new epoch must not hear of the old one.
        """
        if self.first is None or cursor is None:
            return self
        same = cursor.epoch == self.first.epoch
        if same and cursor < self.first:
            return self
        frames = [
            (mark, frame)
            for mark, frame in self.frames
            if isinstance(mark, int) or (same and mark > cursor)
        ]
        return Burst(frames) if frames else None


class Subscriber:
    """Owns the descriptor `fd` from here on. Writing raises OSError when the peer is gone."""

    __slots__ = (
        "__weakref__",
        "arrived",
        "cursor",
        "expires",
        "fd",
        "opened",
        "rest",
        "state",
        "subscription",
        "told",
        "topics",
    )  # fmt: skip

    def __init__(self, fd: int, subscription: Subscription, expires: float):
        self.fd = fd
        self.subscription = subscription.held()
        self.topics: tuple[Channel, ...] = ()
        self.cursor = subscription.cursor
        self.rest: bytes | memoryview = b""
        self.state = State.CATCHING_UP
        self.opened = False  # whether stream.open has been sent
        self.arrived = False  # whether it holds what it is to hold in groups
        self.told = -1  # the newest ephemeral event that it was told, or that its snapshot has
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
            if burst.cursor is not None:
                self.cursor = burst.cursor
            if burst.told is not None:
                self.told = burst.told
            return True
        for mark, frame in burst.frames:
            if sent <= 0:
                break
            if isinstance(mark, int):
                self.told = mark
            else:
                self.cursor = mark
            self.rest = frame[sent:]
            sent -= len(frame)
        return False

    def heard_topics(self) -> tuple[Topic, ...]:
        return tuple(channel.topic for channel in self.topics)

    def missed(self) -> list[tuple[int, Ephemeral]] | None:
        """The ephemeral events that it has not been told, or None if it needs a snapshot."""
        parts = [channel.since(self.told) for channel in self.topics]
        if any(part is None for part in parts):
            return None
        return sorted(pair for part in parts if part for pair in part)

    def push(self, control: bytes) -> bool:
        """Writes frames that no log has, and keeps all that the socket did not take."""
        self.rest = b"".join((self.rest, control)) if self.rest else control
        return self.flush()

    def flush(self) -> bool:
        """Writes the rest. Returns whether nothing is left of it."""
        if self.rest:
            try:
                # A view, because many may be waiting for the rest of one and the same snapshot.
                self.rest = memoryview(self.rest)[os.write(self.fd, self.rest) :]
            except BlockingIOError:
                pass
        if not self.rest:
            self.rest = b""
        return not self.rest

    def close(self) -> None:
        self.state = State.CLOSED
        fd, self.fd = self.fd, -1
        os.close(fd)
