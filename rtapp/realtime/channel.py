"""A topic as this process receives it: its position, and its recent ephemeral events.

Invariant: every live subscriber has each event up to `position`, all of one epoch. While `position`
is None, no subscriber is live. Only this class assigns its fields.
"""

from __future__ import annotations

from collections import deque
from enum import Enum

from .broker import Message
from .broker import Topic
from .burst import Ephemeral
from .cursor import Cursor
from .shards import ONLY
from .subscriber import Subscriber

MAX_RECENT = 64  # ephemeral events kept of a topic


class Advance(Enum):
    """How a message relates to the channel's position."""

    NEXT = "next"  # the event that they need next
    SEEN = "seen"  # they have it
    GAP = "gap"  # they miss one before it


class Readiness(Enum):
    """Whether a subscriber that has read up to a cursor may go live."""

    READY = "ready"
    BEHIND = "behind"  # the topic is not subscribed to, or a newer message has been received
    OTHER_EPOCH = "other_epoch"  # the cursor or the position is of a lost epoch


class Channel:
    """A topic that this process has subscribed to in Redis, or is about to.

    Ephemeral events have no log entry. They are numbered in this process, and the newest are kept
    for subscribers that were not live when they were received.
    """

    __slots__ = (
        "_dropped_seq",
        "_recent",
        "generation",
        "name",
        "observed",
        "position",
        "shard",
        "subscribed",
        "subscribers",
        "topic",
    )  # fmt: skip

    def __init__(
        self, topic: Topic, observed: bool = False, shard: str = ONLY, generation: int = 0
    ):
        self.topic = topic
        self.shard = shard  # where it is, or is to be, subscribed to
        self.generation = generation  # of the subscription: a new one after each loss
        self.name = topic.channel.encode()
        self.observed = observed  # whether deliveries are reported to the observer
        self.subscribers: set[Subscriber] = set()
        self.subscribed = False  # whether Redis has confirmed the subscription
        self.position: Cursor | None = None  # the newest message received
        self._recent: deque[tuple[int, Ephemeral]] | None = None
        self._dropped_seq = 0

    def add(self, subscriber: Subscriber) -> None:
        self.subscribers.add(subscriber)

    def remove(self, subscriber: Subscriber) -> None:
        self.subscribers.discard(subscriber)

    def confirm(self) -> bool:
        """Redis has confirmed the subscription. Return whether that is new."""
        fresh = not self.subscribed
        self.subscribed = True
        return fresh

    def move(self, shard: str) -> None:
        """Another shard has the topic. The caller invalidates the channel."""
        self.shard = shard

    def invalidate(self, seq: int, generation: int) -> None:
        """The subscription is lost: messages may be missed, and ephemeral events up to `seq`."""
        self.generation = generation
        self.subscribed = False
        self.position = None
        self._recent, self._dropped_seq = None, seq

    # Durable events

    def advance(self, message: Message) -> Advance:
        """Move the position to a received message; never back within an epoch.

        A GAP moves it as well: then the caller must have every subscriber catch up.
        """
        position = self.position
        if position is None:
            self.position = message.cursor
            return Advance.NEXT
        if message.cursor.epoch == position.epoch:
            if message.cursor <= position:
                return Advance.SEEN
            if message.previous <= position[1:]:
                self.position = message.cursor
                return Advance.NEXT
        self.position = message.cursor
        return Advance.GAP

    def readiness(self, cursor: Cursor) -> Readiness:
        """Compare a subscriber's cursor with what has been received."""
        if not self.subscribed:
            return Readiness.BEHIND
        if self.position is None:
            return Readiness.READY
        if self.position.epoch != cursor.epoch:
            return Readiness.OTHER_EPOCH
        return Readiness.BEHIND if self.position > cursor else Readiness.READY

    def went_live(self, cursor: Cursor) -> None:
        """A subscriber that is READY at `cursor` is live from here on."""
        if self.position is None:
            self.position = cursor

    def drop_position(self) -> None:
        """Have the next reading set the epoch. The caller has every subscriber catch up."""
        self.position = None

    # Ephemeral events

    def record(self, seq: int, ephemeral: Ephemeral) -> None:
        if self._recent is None:
            self._recent = deque()
        elif len(self._recent) == MAX_RECENT:
            self._dropped_seq, _ = self._recent.popleft()
        self._recent.append((seq, ephemeral))

    def since(self, seq: int) -> list[tuple[int, Ephemeral]] | None:
        """Return the ephemeral events after `seq`, or None if some of them were dropped."""
        if self._dropped_seq > seq:
            return None
        return [pair for pair in self._recent or () if pair[0] > seq]
