"""Markers: which ephemeral events a snapshot of groups already has.

The script that reads a snapshot publishes a marker at the same moment, on the channel of one of the
topics to which this process is subscribed. Redis sends a connection what is published in one order
(https://redis.io/docs/latest/develop/pubsub/#delivery-semantics): the changes that arrive before
the marker are in the snapshot, those that arrive after it are not.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

from gevent.event import AsyncResult

PREFIX = b"! "  # of a payload that is a marker


class Marker:
    def __init__(self, account_id: int, token: str):
        self.account_id = account_id
        self.token = token
        self._seq: AsyncResult[int | None] = AsyncResult()

    def arrived(self, seq: int | None) -> None:
        """Note the number of the newest ephemeral event before it; None if it will not arrive."""
        self._seq.set(seq)

    def wait(self, seconds: float) -> int | None:
        """Return that number, or None if the marker does not arrive within this time."""
        self._seq.wait(seconds)
        return self._seq.value


class Markers:
    """The markers under way to this process. Those of other processes arrive as well."""

    def __init__(self) -> None:
        self._process = secrets.token_hex(8)
        self._tokens = count()
        self._expected: dict[bytes, Marker] = {}

    @contextmanager
    def expected(self, account_id: int) -> Iterator[Marker]:
        """A block in which a new marker may be published in the account, and arrive."""
        marker = Marker(account_id, f"{self._process}.{next(self._tokens)}")
        self._expected[marker.token.encode()] = marker
        try:
            yield marker
        finally:
            del self._expected[marker.token.encode()]

    def arrived(self, token: bytes, seq: int) -> None:
        """A marker has arrived after the ephemeral event `seq`, and before the next one."""
        if token in self._expected:
            self._expected[token].arrived(seq)

    def invalidate(self, affected: Callable[[int], bool]) -> None:
        """A connection is lost, and with it the markers of these accounts that are under way."""
        for marker in self._expected.values():
            if affected(marker.account_id):
                marker.arrived(None)
