"""The process's one pub/sub connection, kept open. Its handler gets all that it receives."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Protocol

from gevent.event import Event
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from . import metrics
from .backoff import Backoff
from .broker import Broker
from .diagnosis import UnfitRedis
from .pubsub_connection import PubSubConnection

RECONNECT_DELAY = (0.05, 2.0)  # s until a new connection: the first and the longest delay
MAX_NAMES = 1000  # topics in one command

logger = logging.getLogger(__name__)


class Handler(Protocol):
    """Gets what the connection receives, in the order in which Redis sends. May yield."""

    def names(self) -> list[bytes]:
        """Return the channels to subscribe to on a new connection."""

    def connected(self) -> None:
        """A connection is open; the subscriptions follow."""

    def subscribed(self, name: bytes) -> None:
        """Redis has confirmed a subscription."""

    def messages(self, name: bytes, payloads: list[bytes]) -> None:
        """Messages of one channel that arrived in a row."""

    def disconnected(self) -> None:
        """The connection is lost: messages may be missed from here until `subscribed`."""


class OtherRedis(UnfitRedis):
    """Messages come from another server than the one to which events are published."""

    name = "redis_other"


class PubSub:
    def __init__(self, broker: Broker, handler: Handler):
        self._broker = broker
        self._handler = handler
        self._connection: PubSubConnection | None = None
        self._pongs: dict[bytes, Event] = {}
        self._error: Exception = RedisTimeoutError("Not connected yet")  # while not connected
        self._backoff = Backoff(logger, "Not listening to Redis", *RECONNECT_DELAY)

    def run(self) -> None:
        while True:
            try:
                connection = self._broker.connect_pubsub()
                try:
                    self._subscribe(connection)
                    self._backoff.succeeded()
                    while True:
                        self._receive(connection.read())
                finally:
                    self.disconnect()
                    connection.close()
            except Exception as error:
                self._error = error
                self._backoff.wait(error)

    def _subscribe(self, connection: PubSubConnection) -> None:
        self._connection = connection
        self._handler.connected()
        metrics.RECONNECTS.inc()
        names = self._handler.names()
        for start in range(0, len(names), MAX_NAMES):
            connection.send("SUBSCRIBE", *names[start : start + MAX_NAMES])

    def _receive(self, replies: Iterable[list[bytes]]) -> None:
        for kind, group in groupby(replies, key=itemgetter(0)):
            if kind == b"message":
                for name, row in groupby(group, key=itemgetter(1)):
                    self._handler.messages(name, [payload for _, _, payload in row])
            elif kind == b"subscribe":
                for _, name, _ in group:
                    self._handler.subscribed(name)
            elif kind == b"pong":
                for _, token in group:
                    if token in self._pongs:
                        self._pongs[token].set()

    def disconnect(self) -> None:
        self._connection = None
        self._handler.disconnected()

    def command(self, *command: str | bytes) -> None:
        """Send on the connection, if there is one; a new one begins with all subscriptions."""
        connection = self._connection
        if connection is not None:
            try:
                connection.send(*command)
            except (RedisError, OSError):
                if self._connection is connection:
                    # redis-py would connect again on the next send, and nothing would read that.
                    self._connection = None
                connection.close()  # wakes its reader, which connects again

    def barrier(self, timeout: float) -> bool:
        """Return True once every message published before this call has been handled, False where
        `prove` raises."""
        try:
            self.prove(timeout)
        except (RedisError, OSError):
            return False
        return True

    def prove(self, timeout: float) -> None:
        """Return once every message published before this call has been handled. Raises RedisError
        or OSError: the reason for which that can't be proven.

        Redis answers one connection in order: the pong comes after what was published before the
        ping (https://redis.io/docs/latest/develop/pubsub/). That proves nothing about events that
        are published to another server, after a failover for example: then the connection is
        closed, as one that is silent for `timeout` seconds.
        """
        connection = self._connection
        if connection is None:
            raise self._error
        server = self._broker.server()
        if self._connection is connection and server != connection.server:
            connection.close()
            raise OtherRedis(
                "Messages came from another Redis server than the one to which events are "
                "published: the address leads to another one by now."
            )
        token = str(time.monotonic_ns()).encode()
        pong = self._pongs[token] = Event()
        self.command("PING", token)
        answered = pong.wait(timeout)
        del self._pongs[token]
        if not answered:
            if self._connection is connection:
                connection.close()
            raise RedisTimeoutError("The pub/sub connection is silent")
