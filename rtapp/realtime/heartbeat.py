"""The pulse of the hub: pings spread over the period, and what is looked at with each of them."""

from __future__ import annotations

import logging
import random
import time
from typing import TYPE_CHECKING

import gevent
from redis.exceptions import RedisError

from . import frames
from .cursor import Cursor
from .frames import HEARTBEAT
from .subscriber import Burst
from .subscriber import State
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .hub import Hub

TICK = 1.0  # s; every tick a different share of the streams is pinged
TICKS = round(HEARTBEAT / TICK)
BARRIER_TIMEOUT = 5.0  # s until a silent pub/sub connection is given up
PATIENCE = 1.0  # s for which a ping waits to know its position
STALL_LIMIT = 30.0  # s without progress until a reader is too slow
LINGER = 5.0  # s for which a topic without subscribers is still listened to: pages navigate

logger = logging.getLogger(__name__)


class Heartbeat:
    def __init__(self, hub: Hub):
        self._hub = hub
        self._shares: list[set[Subscriber]] = [set() for _ in range(TICKS)]
        self._asking: gevent.Greenlet[..., dict[int, Cursor] | None] | None = None
        self._sure_at = time.monotonic()  # when the hub last knew that it had heard everything

    def add(self, subscriber: Subscriber) -> None:
        self._shares[subscriber.fd % TICKS].add(subscriber)

    def discard(self, subscriber: Subscriber) -> None:
        self._shares[subscriber.fd % TICKS].discard(subscriber)

    def run(self) -> None:
        share = 0
        while True:
            gevent.sleep(TICK * random.uniform(0.95, 1.05))
            share = (share + 1) % TICKS
            try:
                self.tick(time.monotonic())
                self.ping(self._shares[share])
            except Exception:
                logger.exception("A heartbeat failed")

    def tick(self, now: float) -> None:
        """Closes what has stalled for too long; stops listening where nobody is left."""
        for subscriber, since in tuple(self._hub.sockets.stalled.items()):
            if now - since > STALL_LIMIT:
                self._hub.close(subscriber, "too_slow")
        for channel, since in tuple(self._hub.topics.idle.items()):
            if now - since > LINGER:
                self._hub.topics.leave(channel)

    def ping(self, share: set[Subscriber]) -> None:
        """Pings these streams: with an id those that provably have everything up to it."""
        positions = self._known_positions({s.subscription.account_id for s in share})
        now = time.monotonic()
        if positions is not None:
            self._sure_at = now
        lag = now - self._sure_at
        bursts = {
            account: Burst([(position, frames.ping(0, position))])
            for account, position in (positions or {}).items()
        }
        for subscriber in tuple(share):
            if subscriber.state is State.CLOSED or subscriber in self._hub.sockets.stalled:
                continue
            if now > subscriber.expires:
                self._hub.close(subscriber, "lifetime")
                continue
            burst = bursts.get(subscriber.subscription.account_id)
            if subscriber.state is State.LIVE and burst is not None:
                self._confirm(subscriber, burst)
            else:
                self._hub.push(subscriber, frames.ping(max(lag, TICK)))

    def _confirm(self, subscriber: Subscriber, burst: Burst) -> None:
        """The id is where the stream stands: never before an event that it already has."""
        position = burst.cursor
        assert position is not None
        cursor = subscriber.cursor
        if cursor is None or cursor.epoch != position.epoch:
            self._hub.catch_up(subscriber)  # which finds that the epoch is lost, and says so
        elif cursor > position:
            self._hub.send(subscriber, Burst([(cursor, frames.ping(0, cursor))]))
        else:
            self._hub.send(subscriber, burst)

    def _known_positions(self, accounts: set[int]) -> dict[int, Cursor] | None:
        """As `_positions`, but never waiting longer than PATIENCE: pings go out whatever hangs."""
        if self._asking is None or self._asking.ready():
            self._asking = gevent.spawn(self._positions, accounts)
            self._asking.join(PATIENCE)
            if self._asking.ready():
                return self._asking.value
        return None

    def _positions(self, accounts: set[int]) -> dict[int, Cursor] | None:
        """How far each account has been heard, or None while that can't be known.

        The positions are read first, then a barrier shows that all up to them has been heard.
        """
        try:
            positions = {account: self._hub.broker.position(account) for account in accounts}
        except (RedisError, OSError):
            return None
        return positions if self._hub.barrier(BARRIER_TIMEOUT) else None
