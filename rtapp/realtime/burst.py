"""Frames that leave together, and the positions to which they move a subscriber. Pure.

To clients of HTTP/1.1, each frame is a chunk (RFC 9112, section 7.1). Without chunks, urllib3 keeps
the newest frame until its buffer is full. A chunk of several frames would have to be kept whole for
a socket that takes a part of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .cursor import Cursor

LAST_CHUNK = b"0\r\n\r\n"  # the end of a body in chunks

# A durable event's cursor, or the sequence number of an ephemeral event in this process.
Position = Cursor | int


class Ephemeral(NamedTuple):
    """An event without a log entry, its envelope as JSON. Its state is replayed, not the event."""

    event: str
    body: bytes


class Burst:
    """Frames joined once for all sockets that they are written to. A frame without a position
    leaves a subscriber where it is."""

    __slots__ = ("_chunks", "cursor", "first", "first_seq", "frames", "last_seq", "payload")

    def __init__(self, frames: Sequence[tuple[Position | None, bytes]]):
        self._chunks: Burst | None = None
        self.frames = frames
        self.payload = frames[0][1] if len(frames) == 1 else b"".join(f for _, f in frames)
        self.first: Cursor | None = None
        self.cursor: Cursor | None = None
        self.first_seq: int | None = None
        self.last_seq: int | None = None
        for position, _ in frames:
            if isinstance(position, int):
                self.first_seq = self.first_seq or position
                self.last_seq = position
            elif position is not None:
                self.first = self.first or position
                self.cursor = position

    def chunked(self) -> Burst:
        """The same frames, each as a chunk. Encoded once."""
        if self._chunks is None:
            self._chunks = Burst([(position, chunk(frame)) for position, frame in self.frames])
        return self._chunks

    def after(self, cursor: Cursor | None, seq: int) -> Burst | None:
        """Return the events after `cursor`, and the ephemeral ones after `seq`; None if there are
        none.

        The fan-out yields between sockets: a subscriber that went live meanwhile has received some
        of them. Frames of another epoch are left out, because it may have begun a new one.
        """
        first = self.first
        if (self.first_seq is None or self.first_seq > seq) and (
            first is None or cursor is None or (first > cursor and first.epoch == cursor.epoch)
        ):
            return self
        frames = [pair for pair in self.frames if is_after(pair[0], cursor, seq)]
        return Burst(frames) if frames else None


def is_after(position: Position | None, cursor: Cursor | None, seq: int) -> bool:
    if isinstance(position, int):
        return position > seq
    if position is None or cursor is None:
        return True
    return position > cursor and position.epoch == cursor.epoch


def control(*frames: bytes) -> Burst:
    """Frames that no log has."""
    return Burst([(None, frame) for frame in frames])


NOTHING = control()


def chunk(frame: bytes) -> bytes:
    """An empty frame stays empty: a chunk without content would be the last one."""
    return b"%x\r\n%b\r\n" % (len(frame), frame) if frame else frame
