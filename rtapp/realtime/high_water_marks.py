"""High-water marks of accounts in this process, by which a Redis that lost data is detected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from .cursor import Cursor

# Loads the newest published event of an account from a store that outlives Redis, by the account's
# id; None if the store has none. Its exceptions are passed on.
Load = Callable[[int], Cursor | None]


class HighWaterMark(NamedTuple):
    """The position up to which publication is complete, and the newest event."""

    position: Cursor
    newest: Cursor

    def merge(self, other: HighWaterMark) -> HighWaterMark:
        return HighWaterMark(max(self.position, other.position), max(self.newest, other.newest))


ZERO = HighWaterMark(Cursor("0", 0, 0), Cursor("0", 0, 0))


class HighWaterMarks:
    """One mark per account. A Redis whose data is behind a mark has lost events."""

    def __init__(self, load: Load):
        self._load = load
        self._loaded: set[int] = set()  # the accounts whose mark has been loaded
        self._marks: defaultdict[int, HighWaterMark] = defaultdict(lambda: ZERO)

    def of(self, account_id: int) -> HighWaterMark:
        """Return the account's mark; load it first, if it was not since the last `invalidate`."""
        if account_id not in self._loaded:
            if (event := self._load(account_id)) is not None:
                self.observe(account_id, event)
            self._loaded.add(account_id)
        return self._marks[account_id]

    def newest(self, account_id: int) -> Cursor:
        """Return the newest event of the account that was observed here. Loads nothing."""
        return self._marks[account_id].newest

    def observe(self, account_id: int, event: Cursor) -> None:
        """Raise the account's mark to a published event."""
        self.merge(account_id, HighWaterMark(event, event))

    def merge(self, account_id: int, mark: HighWaterMark) -> None:
        self._marks[account_id] = self._marks[account_id].merge(mark)

    def invalidate(self) -> None:
        """Load every mark again before its next use: Redis may have been replaced."""
        self._loaded.clear()
