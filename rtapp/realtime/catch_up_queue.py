"""Subscribers that must catch up, grouped by what they read. Pure.

Subscribers with the same topics and the same cursor need the same reading of the log, so each group
is served by one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .broker import Topic
from .cursor import Cursor
from .subscriber import Subscriber


class CatchUpKey(NamedTuple):
    """A position in an account's logs."""

    account_id: int
    topics: tuple[Topic, ...]
    cursor: Cursor | None

    @classmethod
    def of(cls, subscriber: Subscriber) -> CatchUpKey:
        account_id = subscriber.subscription.account_id
        return cls(account_id, subscriber.topics, subscriber.cursor)


class CatchUpQueue:
    def __init__(self, on_ready: Callable[[], object] = lambda: None):
        self._on_ready = on_ready  # called when there is something to take
        self._groups: dict[CatchUpKey, list[Subscriber]] = {}
        self._order: deque[CatchUpKey] = deque()
        self._being_served: set[CatchUpKey] = set()
        self._queued: set[Subscriber] = set()  # in a group, or being served

    def put(self, subscriber: Subscriber) -> None:
        """Queue a subscriber. One that is being served is looked at again by `done`'s caller."""
        if subscriber in self._queued:
            return
        self._queued.add(subscriber)
        key = CatchUpKey.of(subscriber)
        if key not in self._groups:
            self._groups[key] = []
            if key not in self._being_served:  # else it waits, and shares the next reading
                self._append(key)
        self._groups[key].append(subscriber)

    def take(self) -> tuple[CatchUpKey, list[Subscriber]] | None:
        """Return the next group, or None. No group of its key is taken before `done`."""
        if not self._order:
            return None
        key = self._order.popleft()
        self._being_served.add(key)
        return key, self._groups.pop(key)

    def done(self, key: CatchUpKey, group: list[Subscriber]) -> None:
        """End what `take` began. Those of the group that must still catch up may be put again."""
        self._being_served.discard(key)
        if key in self._groups:
            self._append(key)
        self._queued.difference_update(group)

    def _append(self, key: CatchUpKey) -> None:
        self._order.append(key)
        self._on_ready()
