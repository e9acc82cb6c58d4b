"""The process's one pub/sub connection, kept up. All that is said on it arrives here, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from . import metrics
from .broker import CONTROL
from .listener import Listener

if TYPE_CHECKING:
    from .hub import Hub

RECONNECT_DELAY = (0.05, 2.0)  # s: first, most; doubled at each failure
SUBSCRIBED_AT_ONCE = 1000  # topics in one command

logger = logging.getLogger(__name__)


class Listening:
    def __init__(self, hub: Hub, recheck: Callable[[str], None]):
        self._hub = hub
        self._recheck = recheck  # those whose rights have changed
        self.lost = 0  # connections lost so far
        self._listener: Listener | None = None
        self._pongs: dict[bytes, Event] = {}

    def run(self) -> None:
        delay, most = RECONNECT_DELAY
        while True:
            try:
                listener = self._hub.broker.listener()
                try:
                    self._begin(listener)
                    delay, _ = RECONNECT_DELAY
                    while True:
                        self._receive(listener.read())
                finally:
                    self.end()
                    listener.close()
            except (RedisError, OSError) as error:
                logger.warning("Not listening to Redis (%s); trying again in %.2f s", error, delay)
                gevent.sleep(delay)
                delay = min(delay * 2, most)

    def _begin(self, listener: Listener) -> None:
        self._listener = listener
        self._hub.leases.renew()
        metrics.RECONNECTS.inc()
        names = [CONTROL.encode(), *self._hub.channels]
        for start in range(0, len(names), SUBSCRIBED_AT_ONCE):
            listener.send("SUBSCRIBE", *names[start : start + SUBSCRIBED_AT_ONCE])

    def end(self) -> None:
        """From here on nothing is sure: everyone catches up when the topics are back."""
        self._listener = None
        self.lost += 1
        self._hub.broker.high_water_marks.invalidate()
        self._hub.topics.doubt()
        for subscriber in self._hub.subscribers():
            self._hub.catch_up(subscriber)

    def command(self, *command: str | bytes) -> None:
        """Sends on the connection, if there is one; a new one begins with all topics."""
        listener = self._listener
        if listener is not None:
            try:
                listener.send(*command)
            except (RedisError, OSError):
                if self._listener is listener:
                    self._listener = None  # or the next command would connect it again, unread
                listener.close()  # wakes its reader, which connects again

    def barrier(self, timeout: float) -> bool:
        """Returns True once everything published before this call has been dispatched.

        One connection, answered in order: when the pong is here, what was published before the
        ping is too (https://redis.io/docs/latest/develop/pubsub/). False: Redis is away; a
        connection that stays silent is given up.
        """
        listener = self._listener
        if listener is None:
            return False
        token = str(time.monotonic_ns()).encode()
        pong = self._pongs[token] = Event()
        self.command("PING", token)
        answered = pong.wait(timeout)
        del self._pongs[token]
        if not answered and self._listener is listener:
            listener.close()
        return answered

    def _receive(self, replies: Iterable[list[bytes]]) -> None:
        for kind, group in groupby(replies, key=itemgetter(0)):
            if kind == b"message":
                self._dispatch(group)
            elif kind == b"subscribe":
                for _, name, _ in group:
                    self._hub.topics.confirm(name)
            elif kind == b"pong":
                for _, token in group:
                    if token in self._pongs:
                        self._pongs[token].set()

    def _dispatch(self, replies: Iterable[list[bytes]]) -> None:
        """Messages of one topic that arrived in a row leave in one write per socket."""
        for name, row in groupby(replies, key=itemgetter(1)):
            payloads = [payload for _, _, payload in row]
            if name == CONTROL.encode():
                for whose in payloads:
                    self._recheck(whose.decode())
            elif (channel := self._hub.channels.get(name)) is not None:
                self._hub.delivery.deliver(channel, payloads)
