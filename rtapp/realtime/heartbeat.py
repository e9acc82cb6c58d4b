"""The heartbeat: pings spread over the period, and the limits checked with each of them."""

from __future__ import annotations

import logging
import random
import time

import gevent
from redis.exceptions import RedisError

from . import frames
from .broker import Broker
from .burst import Burst
from .cursor import Cursor
from .hub import SHARES
from .hub import Hub
from .pubsub import PubSub
from .subscriber import State
from .subscriber import Subscriber
from .topics import Topics

TICK = frames.HEARTBEAT / SHARES  # s; every tick another share of the streams is pinged
BARRIER_TIMEOUT = 5.0  # s until a silent pub/sub connection is closed
POSITION_TIMEOUT = 1.0  # s for which a ping waits for its position
BLOCKED_LIMIT = 30.0  # s without progress until a reader is too slow
LINGER = 5.0  # s for which a topic without subscribers stays subscribed to: pages navigate

logger = logging.getLogger(__name__)


class Heartbeat:
    def __init__(self, broker: Broker, pubsub: PubSub, topics: Topics, hub: Hub):
        self._broker = broker
        self._pubsub = pubsub
        self._topics = topics
        self._hub = hub
        self._query: gevent.Greenlet[..., dict[int, Cursor] | None] | None = None
        self._current_at = time.monotonic()  # when every message was last proven to be handled

    def run(self) -> None:
        share = 0
        while True:
            gevent.sleep(TICK * random.uniform(0.95, 1.05))
            share = (share + 1) % SHARES
            try:
                self.tick(time.monotonic())
                self.ping(self._hub.share(share))
            except Exception:
                logger.exception("A heartbeat failed")

    def tick(self, now: float) -> None:
        """Close streams that are blocked for too long; unsubscribe from topics without streams."""
        for subscriber, since in self._hub.blocked():
            if now - since > BLOCKED_LIMIT:
                self._hub.close(subscriber, "too_slow")
        for channel, since in tuple(self._topics.idle.items()):
            if now - since > LINGER:
                self._topics.drop(channel)

    def ping(self, share: set[Subscriber]) -> None:
        """Ping these streams: with an id those that provably have every event up to it."""
        positions = self._positions_in_time(
            {s.subscription.account_id for s in share if s.state is not State.PENDING}
        )
        now = time.monotonic()
        if positions is not None:
            self._current_at = now
        lag = now - self._current_at
        bursts = {
            account: Burst([(position, frames.ping(0, position))])
            for account, position in (positions or {}).items()
        }
        for subscriber in tuple(share):
            if subscriber.state is State.CLOSED or self._hub.is_blocked(subscriber):
                continue
            if now > subscriber.expires:
                self._hub.close(subscriber, "lifetime")
                continue
            burst = bursts.get(subscriber.subscription.account_id)
            if subscriber.state is State.LIVE and burst is not None:
                self._ping_live(subscriber, burst)
            else:
                self._hub.push(subscriber, frames.ping(max(lag, TICK)))

    def _ping_live(self, subscriber: Subscriber, burst: Burst) -> None:
        """The id is never before an event that the stream already has."""
        position = burst.cursor
        assert position is not None
        cursor = subscriber.cursor
        if cursor is None or cursor.epoch != position.epoch:
            self._hub.catch_up(subscriber)  # which finds the epoch lost, and sends a reset
        elif cursor > position:
            self._hub.send(subscriber, Burst([(cursor, frames.ping(0, cursor))]))
        else:
            self._hub.send(subscriber, burst)

    def _positions_in_time(self, accounts: set[int]) -> dict[int, Cursor] | None:
        """As `_positions`, but for at most POSITION_TIMEOUT: a hanging Redis delays no ping."""
        if self._query is None or self._query.ready():
            self._query = gevent.spawn(self._positions, accounts)
            self._query.join(POSITION_TIMEOUT)
            if self._query.ready():
                return self._query.value
        return None

    def _positions(self, accounts: set[int]) -> dict[int, Cursor] | None:
        """Return positions up to which every message has been handled, or None.

        The positions are read first; then a barrier proves that all messages up to them are here.
        """
        try:
            positions = {account: self._broker.position(account) for account in accounts}
        except (RedisError, OSError):
            return None
        return positions if self._pubsub.barrier(BARRIER_TIMEOUT) else None
