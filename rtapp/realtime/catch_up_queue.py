"""Subscribers that must catch up, grouped by what they read. Pure.

Subscribers with the same topics and the same cursor need the same reading of the log, so each group
is served by one. The groups of each shard wait for one another only.
"""

from __future__ import annotations

from collections import Counter
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from .broker import Topic
from .cursor import Cursor
from .shards import ONLY
from .subscriber import Subscriber

WORKERS = 4  # groups of a shard that are served at once


class CatchUpKey(NamedTuple):
    """A position in an account's logs."""

    account_id: int
    topics: tuple[Topic, ...]
    cursor: Cursor | None

    @classmethod
    def of(cls, subscriber: Subscriber) -> CatchUpKey:
        account_id = subscriber.subscription.account_id
        return cls(account_id, subscriber.topics, subscriber.cursor)


class Taken(NamedTuple):
    """A group that is being served."""

    shard: str
    key: CatchUpKey
    subscribers: list[Subscriber]


class CatchUpQueue:
    """`shard_of` returns the shard of an account."""

    def __init__(
        self,
        on_ready: Callable[[], object] = lambda: None,
        shard_of: Callable[[int], str] = lambda _: ONLY,
    ):
        self._on_ready = on_ready  # called when there may be something to take
        self._shard_of = shard_of
        self._groups: dict[CatchUpKey, list[Subscriber]] = {}
        self._order: dict[str, deque[CatchUpKey]] = {}  # by shard; a later one may have the account
        self._being_served: set[CatchUpKey] = set()
        self._busy: Counter[str] = Counter()  # groups of each shard that are being served
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
                self._enqueue(key)
                self._on_ready()
        self._groups[key].append(subscriber)

    def take(self) -> Taken | None:
        """Return the next group of a shard that has less than WORKERS under way, or None. No group
        of its key is taken before `done`."""
        for shard, order in self._order.items():
            if order and self._busy[shard] < WORKERS:
                key = order.popleft()
                if not order:
                    del self._order[shard]
                self._busy[shard] += 1
                self._being_served.add(key)
                return Taken(shard, key, self._groups.pop(key))
        return None

    def done(self, taken: Taken) -> None:
        """End what `take` began. Those of the group that must still catch up may be put again."""
        self._busy[taken.shard] -= 1
        self._being_served.discard(taken.key)
        if taken.key in self._groups:
            self._enqueue(taken.key)
        self._queued.difference_update(taken.subscribers)
        if self._order:
            self._on_ready()

    def _enqueue(self, key: CatchUpKey) -> None:
        self._order.setdefault(self._shard_of(key.account_id), deque()).append(key)
