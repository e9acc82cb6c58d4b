"""High-water marks of accounts in this process, by which a Redis that lost data is detected."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Mapping
from typing import NamedTuple

from .cursor import Cursor
from .diagnosis import UnfitRedis

# Loads the newest published event of each of these accounts, by their ids, from a store that
# outlives Redis; leaves out an account of which it has none. Its exceptions are passed on.
Load = Callable[[Collection[int]], Mapping[int, Cursor]]


class HighWaterMark(NamedTuple):
    """The position up to which publication is complete, and the newest event: its epoch and its
    entry are each the highest on record, of two servers if need be."""

    position: Cursor
    newest: Cursor

    def merge(self, other: HighWaterMark) -> HighWaterMark:
        epoch = max(self.newest, other.newest).epoch
        entry = max(self.newest[1:], other.newest[1:])
        return HighWaterMark(max(self.position, other.position), Cursor(epoch, *entry))


ZERO = HighWaterMark(Cursor("0", 0, 0), Cursor("0", 0, 0))


LOSS_SHOWN = 300.0  # s for which a loss is shown as a problem: until somebody has looked


class LostEvents(UnfitRedis):
    """This Redis lacks events that had been published."""

    name = "redis_lost_events"


class HighWaterMarks:
    """One mark per account. A Redis whose data is behind a mark has lost events, or they were
    published to another one: either way, an epoch ends."""

    def __init__(self, load: Load, clock: Callable[[], float] = time.monotonic):
        self._load = load
        self._clock = clock
        self._lost: tuple[int, float] | None = None  # the account of the last loss, and when
        self._loaded: set[int] = set()  # the accounts whose mark has been loaded
        self._marks: defaultdict[int, HighWaterMark] = defaultdict(lambda: ZERO)

    def of(self, account_id: int) -> HighWaterMark:
        """Return the account's mark; load it first, if it was not since the last `invalidate`."""
        if account_id not in self._loaded:
            self.load((account_id,))
        return self._marks[account_id]

    def load(self, account_ids: Collection[int]) -> None:
        """Load the marks of these accounts, in one query: events may have been published to another
        server."""
        if not account_ids:
            return
        for account_id, event in self._load(account_ids).items():
            self.observe(account_id, event)
        self._loaded.update(account_ids)

    def newest(self, account_id: int) -> Cursor:
        """Return the newest event of the account that was observed here. Loads nothing."""
        return self._marks[account_id].newest

    def observe(self, account_id: int, event: Cursor) -> None:
        """Raise the account's mark to a published event."""
        position, newest = self._marks[account_id]
        if newest.epoch == event.epoch and newest <= event and position <= event:
            self._marks[account_id] = HighWaterMark(event, event)  # as by `merge`, for each event
        else:
            self.merge(account_id, HighWaterMark(event, event))

    def merge(self, account_id: int, mark: HighWaterMark) -> None:
        before = self._marks[account_id]
        merged = self._marks[account_id] = before.merge(mark)
        if ZERO.newest.epoch < before.newest.epoch < merged.newest.epoch:
            self._lost = account_id, self._clock()

    def loss(self, affected: Callable[[int], bool] = lambda _: True) -> LostEvents | None:
        """Return the last loss of the last LOSS_SHOWN seconds, if it is one of these accounts."""
        if self._lost is None or self._clock() - self._lost[1] > LOSS_SHOWN:
            return None
        if not affected(self._lost[0]):
            return None
        return LostEvents(
            f"Redis lacks events of account {self._lost[0]} that had been published: it has lost "
            "data, as by a failover, or hosts use different servers. Streams were reset. REDIS_URL "
            "must lead to one and the same server on every host."
        )

    def invalidate(self, affected: Callable[[int], bool] = lambda _: True) -> None:
        """Load the marks of these accounts, by default of all, again before their next use: Redis
        may have been replaced."""
        self._loaded = {account for account in self._loaded if not affected(account)}
