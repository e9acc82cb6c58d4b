"""Frames that leave together, and the positions to which they move a subscriber. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .cursor import Cursor

# A durable event's cursor, or the sequence number of an ephemeral event in this process.
Position = Cursor | int


class Ephemeral(NamedTuple):
    """An event without a log entry, its envelope as JSON. Its state is replayed, not the event."""

    event: str
    body: bytes


class Burst:
    """Frames joined once for all sockets that they are written to."""

    __slots__ = ("cursor", "first", "frames", "last_seq", "payload")

    def __init__(self, frames: Sequence[tuple[Position, bytes]]):
        self.frames = frames
        self.payload = frames[0][1] if len(frames) == 1 else b"".join(f for _, f in frames)
        self.first: Cursor | None = None
        self.cursor: Cursor | None = None
        self.last_seq: int | None = None
        for position, _ in frames:
            if isinstance(position, int):
                self.last_seq = position
            else:
                self.first = self.first or position
                self.cursor = position

    def after(self, cursor: Cursor | None) -> Burst | None:
        """Return the part that follows `cursor`, or None if there is none.

        Frames of another epoch are left out: the fan-out yields between sockets, and a subscriber
        that went live in a new epoch meanwhile must not receive events of the old one.
        """
        if self.first is None or cursor is None:
            return self
        same_epoch = cursor.epoch == self.first.epoch
        if same_epoch and cursor < self.first:
            return self
        frames = [
            (position, frame)
            for position, frame in self.frames
            if isinstance(position, int) or (same_epoch and position > cursor)
        ]
        return Burst(frames) if frames else None
