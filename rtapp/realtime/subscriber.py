"""One open connection: a non-blocking socket, a cursor, and its unsent bytes.

A subscriber has no queue. Events that the socket does not take stay in the log, and the subscriber
reads them from there; only control frames and the rest of one frame are kept. Its states:
PENDING ⇄ CATCHING_UP ⇄ LIVE → CLOSED. Only this class assigns its fields.
"""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from dataclasses import dataclass
from dataclasses import replace
from enum import Enum
from functools import lru_cache
from typing import TypeVar
from typing import cast

from .broker import Topic
from .burst import LAST_CHUNK
from .burst import Burst
from .cursor import NOWHERE
from .cursor import Cursor
from .group import LeaseSpec

INTERN_CACHE_SIZE = 4_096  # distinct values that open streams share
NO_SEQ = -1  # before every sequence number: the subscriber needs a snapshot

Value = TypeVar("Value", bound=Hashable)


class State(Enum):
    PENDING = "pending"  # to be authorised before it receives anything more
    CATCHING_UP = "catching_up"  # reads the log from its cursor
    LIVE = "live"  # receives messages as they are published
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Subscription:
    """The authorised part of a request: its streams, their topics, and the cursor to start from.

    `cursor` is None for "from now on". All topics are of one account. Streams of one `user_id` are
    limited together and authorised again together. `wait` is 0, or the seconds after which the
    stream ends, if no event has ended it before. Without `authorised`, account, topics and leases
    are still to be found; in an answer, some topics are still to be added: see revocation.py.
    """

    account_id: int
    streams: tuple[str, ...]
    topics: tuple[Topic, ...]
    format: str = "json"
    cursor: Cursor | None = None
    user_id: int | None = None
    credential: str = ""  # what signed the request in, as `auth` names it
    address: str = ""
    user_agent: str = ""
    leases: tuple[LeaseSpec, ...] = ()  # taken while the stream is open
    wait: int = 0
    authorised: bool = True

    def interned(self) -> Subscription:
        """Return it without its cursor, sharing all values that are equal to another stream's."""
        return interned(
            Subscription(
                account_id=self.account_id,
                streams=interned(self.streams),
                topics=interned(self.topics),
                format=self.format,
                user_id=self.user_id,
                credential=interned(self.credential),
                address=interned(self.address),
                user_agent=interned(self.user_agent),
                leases=interned(self.leases),
                wait=self.wait,
                authorised=self.authorised,
            )
        )


@lru_cache(INTERN_CACHE_SIZE)
def _canonical(value: Hashable) -> Hashable:
    return value


def interned(value: Value) -> Value:
    """Return one object for all equal values: most streams have much in common."""
    return cast(Value, _canonical(value))


class Subscriber:
    """Owns the descriptor `fd`. Writing raises OSError when the peer is gone.

    `head` is what is written before the body, which is in chunks if `chunked`.
    """

    __slots__ = (
        "__weakref__",
        "chunked",
        "cursor",
        "expires",
        "fd",
        "last_seq",
        "lease",
        "opened",
        "since",
        "state",
        "subscription",
        "unsent",
    )  # fmt: skip

    def __init__(
        self,
        fd: int,
        subscription: Subscription,
        expires: float,
        head: bytes = b"",
        chunked: bool = False,
    ):
        self.fd = fd
        self.chunked = chunked
        self.subscription = subscription.interned()
        self.cursor = subscription.cursor
        self.unsent: bytes | memoryview = head
        self.state = State.CATCHING_UP if subscription.authorised else State.PENDING
        self.opened = False  # whether stream.open has been sent
        self.lease = 0  # its number, by which its leases are held; 0 until they are taken
        self.last_seq = NO_SEQ  # the newest ephemeral event that it has, by event or by snapshot
        self.since = time.time()
        self.expires = expires  # time.monotonic() at which its lifetime ends

    @property
    def topics(self) -> tuple[Topic, ...]:
        return self.subscription.topics

    # Transitions

    def admit(self, allowed: Subscription) -> None:
        """Begin with the account, topics and leases of `allowed`."""
        assert self.state is State.PENDING
        self.subscription = replace(
            self.subscription,
            account_id=allowed.account_id,
            topics=allowed.topics,
            leases=allowed.leases,
            authorised=True,
        ).interned()
        self.state = State.CATCHING_UP

    def suspend(self) -> None:
        assert self.state is State.CATCHING_UP
        self.state = State.PENDING

    def begin_catch_up(self) -> None:
        assert self.state in (State.CATCHING_UP, State.LIVE)
        self.state = State.CATCHING_UP

    def go_live(self) -> None:
        assert self.state is State.CATCHING_UP
        self.state = State.LIVE

    def close(self) -> None:
        self.state = State.CLOSED
        fd, self.fd = self.fd, -1
        os.close(fd)

    # Positions

    def open(self) -> None:
        """Note that `stream.open` is on its way."""
        self.opened = True

    def start_at(self, cursor: Cursor) -> None:
        self.cursor = cursor

    def reset_to(self, cursor: Cursor) -> None:
        """Start at `cursor` without what came before it: a snapshot is needed, too."""
        self.cursor = cursor
        self.last_seq = NO_SEQ

    def advance(self, cursor: Cursor) -> None:
        """Move the cursor forward to `cursor`, or leave it where it is beyond that."""
        self.cursor = max(self.cursor or NOWHERE, cursor)

    def rewind(self) -> None:
        """Move the cursor before the log's beginning, so that the next reading is a reset."""
        if self.cursor is not None:
            self.cursor = self.cursor.rewound()

    def require_snapshot(self) -> None:
        self.last_seq = NO_SEQ

    def snapshot_sent(self, seq: int) -> None:
        """Note a snapshot of ephemeral state that has every event up to `seq`."""
        self.last_seq = seq

    # Rights

    def change_topics(self, topics: tuple[Topic, ...]) -> None:
        self.subscription = replace(self.subscription, topics=topics).interned()

    def change_leases(self, leases: tuple[LeaseSpec, ...]) -> None:
        self.subscription = replace(self.subscription, leases=leases).interned()

    def acquire_leases(self, number: int) -> None:
        """Note that its leases are taken, under a number of its own: its descriptor is used again
        as soon as it is closed."""
        self.lease = number

    # Writing

    def send(self, burst: Burst) -> bool:
        """Write a burst. Return False when the socket did not take all of it.

        Then the cursor is at the last frame of which a byte was written, and `unsent` is the rest
        of that frame. The frames after it are read from the log again.
        """
        if self.chunked:
            burst = burst.chunked()
        payload = burst.payload
        try:
            written = os.write(self.fd, payload)
        except BlockingIOError:
            return False
        if written == len(payload):
            if burst.cursor is not None:
                self.cursor = burst.cursor
            if burst.last_seq is not None:
                self.last_seq = burst.last_seq
            return True
        for position, frame in burst.frames:
            if written <= 0:
                break
            if isinstance(position, int):
                self.last_seq = position
            elif position is not None:
                self.cursor = position
            self.unsent = frame[written:]
            written -= len(frame)
        return False

    def push(self, control: Burst) -> bool:
        """Write frames that no log has; keep all that the socket does not take."""
        return self._keep(self._on_the_wire(control).payload)

    def finish(self, control: Burst) -> None:
        """Write the last frames and the end of the body, as far as the socket takes them."""
        end = LAST_CHUNK if self.chunked else b""
        self._keep(self._on_the_wire(control).payload + end)

    def _on_the_wire(self, burst: Burst) -> Burst:
        return burst.chunked() if self.chunked else burst

    def _keep(self, data: bytes) -> bool:
        self.unsent = b"".join((self.unsent, data)) if self.unsent else data
        return self.flush()

    def flush(self) -> bool:
        """Write the unsent bytes. Return whether none are left."""
        if self.unsent:
            try:
                # A view: many subscribers may share the rest of one snapshot.
                self.unsent = memoryview(self.unsent)[os.write(self.fd, self.unsent) :]
            except BlockingIOError:
                pass
        if not self.unsent:
            self.unsent = b""
        return not self.unsent
