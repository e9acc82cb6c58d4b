"""The leases of this process's streams: presence, viewers, typing and visitors.

Each shard of Redis has a component of its own, with a greenlet of its own: where one shard is away,
the leases of the other accounts go on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable

import gevent
from gevent.event import Event

from .broker import Broker
from .contact_presence import CONTACT_PRESENCE
from .group import Group
from .group import LeaseSpec
from .inbox_presence import INBOX_PRESENCE
from .presence import PRESENCE
from .shard_leases import Operation
from .shard_leases import ShardLeases
from .subscriber import Subscriber
from .typing import TYPING
from .viewers import VIEWERS

KINDS = {kind.name: kind for kind in (PRESENCE, INBOX_PRESENCE, VIEWERS, TYPING, CONTACT_PRESENCE)}


class Leases:
    """`subscribers` returns the open streams. Each method is that of ShardLeases."""

    def __init__(
        self,
        broker: Broker,
        subscribers: Callable[[], list[Subscriber]],
        clock: Callable[[], float] = time.monotonic,
    ):
        self._broker = broker
        self._subscribers = subscribers
        self._clock = clock
        self._shards: dict[str, ShardLeases] = {}
        self._of: dict[int, ShardLeases] = {}  # of accounts
        self._added = Event()

    def of(self, account_id: int) -> ShardLeases:
        """Return what has the account's leases: as long as it holds some, the same one, wherever
        the account's slot moves."""
        leases = self._of.get(account_id)
        if leases is None or not leases.holds_in(account_id):
            leases = self._of[account_id] = self._of_shard(self._broker.shard_of(account_id))
        return leases

    def acquire(self, subscribers: Iterable[Subscriber]) -> None:
        """The streams are of one account."""
        streams = list(subscribers)
        if streams:
            self.of(streams[0].subscription.account_id).acquire(streams)

    def release(
        self, subscriber: Subscriber, reason: str, siblings: Iterable[Subscriber] = ()
    ) -> None:
        self.of(subscriber.subscription.account_id).release(subscriber, reason, siblings)

    def change(self, subscriber: Subscriber, leases: tuple[LeaseSpec, ...]) -> None:
        self.of(subscriber.subscription.account_id).change(subscriber, leases)

    def submit(self, account_id: int, group: Group, operation: Operation) -> None:
        self.of(account_id).submit(account_id, group, operation)

    def schedule_expiry(self, account_id: int, group: Group, next_expiry_ms: int) -> None:
        self.of(account_id).schedule_expiry(account_id, group, next_expiry_ms)

    def renew(self, shard: str | None = None) -> None:
        """Of all shards, or of one."""
        for name, leases in self._shards.items():
            if shard in (None, name):
                leases.renew()

    def flush(self, now: float) -> None:
        for leases in tuple(self._shards.values()):
            leases.flush(now)

    def run(self) -> None:
        running: dict[str, gevent.Greenlet[..., None]] = {}
        try:
            while True:
                self._added.clear()
                for shard, leases in self._shards.items():
                    if shard not in running:
                        running[shard] = gevent.spawn(leases.run)
                self._added.wait()
        finally:
            gevent.killall(running.values())

    def _of_shard(self, shard: str) -> ShardLeases:
        if shard not in self._shards:
            self._shards[shard] = ShardLeases(self._broker, self._subscribers, KINDS, self._clock)
            self._added.set()
        return self._shards[shard]
