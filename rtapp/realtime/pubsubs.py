"""The process's pub/sub connections: one to each shard, for the channels of the accounts there."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from functools import partial

import gevent
from gevent.event import Event
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from .backoff import Backoff
from .broker import Broker
from .pubsub import Handler
from .pubsub import PubSub

REFRESH = 15.0  # s between two looks at which server has what, without a reason for one
PAUSE = 0.1  # s between two looks for a reason
RETRY_DELAY = (0.25, 2.0)  # s: the first and the longest

logger = logging.getLogger(__name__)


class PubSubs:
    """Connections come and go with the shards. `handler_of` makes the handler of a shard."""

    def __init__(self, broker: Broker, handler_of: Callable[[str], Handler]):
        self._broker = broker
        self._handler_of = handler_of
        self._pubsubs: dict[str, PubSub] = {}
        self._greenlets: dict[str, gevent.Greenlet[..., None]] = {}
        self._moves: deque[tuple[str, str, Sequence[bytes]]] = deque()
        self._doubted = False
        self._woken = Event()
        self._backoff = Backoff(logger, "The nodes of Redis are not known", *RETRY_DELAY)

    # Commands

    def subscribe(self, shard: str, names: Sequence[bytes]) -> None:
        """Subscribe to channels of the shard; its next connection does if it has none now."""
        if shard in self._pubsubs:
            self._pubsubs[shard].subscribe(names)

    def unsubscribe(self, shard: str, names: Sequence[bytes]) -> None:
        if shard in self._pubsubs:
            self._pubsubs[shard].unsubscribe(names)

    def move(self, old: str, new: str, names: Sequence[bytes]) -> None:
        """Soon, unsubscribe from the channels on one shard and subscribe on another. Does not
        wait."""
        self._moves.append((old, new, names))
        self._woken.set()

    def shards_changed(self) -> None:
        """Soon, connect to the shards that are new, and leave those that have gone. Does not
        wait."""
        self._woken.set()

    def doubt(self, failed: str | None = None) -> None:
        """Soon, ask which server has what, and subscribe again to what is not confirmed; the shard
        `failed` has not answered. Does not wait."""
        if failed is not None:
            self._broker.shards.failed(failed)
        if self._broker.shards.are_several:
            self._doubted = True
            self._woken.set()

    def prove(self, shard: str, timeout: float) -> None:
        """As PubSub.prove, for the channels of the shard."""
        if shard not in self._pubsubs:
            raise RedisConnectionError("No server of Redis is known to have the account")
        self._pubsubs[shard].prove(timeout)

    def barrier(self, timeout: float) -> bool:
        """Return True once every message published before this call, on any shard, has been
        handled, False where `prove` raises."""
        if not self._pubsubs:
            return False
        try:
            for pubsub in tuple(self._pubsubs.values()):
                pubsub.prove(timeout)
        except (RedisError, OSError):
            return False
        return True

    def all(self) -> list[PubSub]:
        return list(self._pubsubs.values())

    # The greenlet

    def run(self) -> None:
        self.doubt()
        while True:
            self._follow()
            woken = self._woken.wait(REFRESH if self._broker.shards.are_several else None)
            self._woken.clear()
            if self._doubted or not woken:
                self._doubted = False
                self._look_up()
            while self._moves:
                old, new, names = self._moves.popleft()
                self.unsubscribe(old, names)
                self.subscribe(new, names)

    def _look_up(self) -> None:
        try:
            self._broker.shards.refresh()
        except (RedisError, OSError) as error:
            self._doubted = True
            self._woken.set()
            self._backoff.wait(error)
            return
        self._backoff.succeeded()
        self._follow()
        for pubsub in self.all():
            pubsub.subscribe_again()
        gevent.sleep(PAUSE)

    def _follow(self) -> None:
        """Connect to the shards that are new, and leave those that have gone."""
        names = set(self._broker.shards.names())
        for shard in names - self._pubsubs.keys():
            pubsub = PubSub(
                self._broker, shard, self._handler_of(shard), partial(self.doubt, shard)
            )
            self._pubsubs[shard] = pubsub
            self._greenlets[shard] = gevent.spawn(pubsub.run)
        for shard in self._pubsubs.keys() - names:
            del self._pubsubs[shard]
            self._greenlets.pop(shard).kill(block=False)

    def stop(self) -> None:
        gevent.killall(list(self._greenlets.values()))
        self._greenlets.clear()
        for pubsub in self._pubsubs.values():
            pubsub.disconnect()
        self._pubsubs.clear()
