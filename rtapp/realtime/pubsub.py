"""A pub/sub connection of the process, kept open. Its handler gets all that it receives."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter
from typing import Protocol

import gevent
from gevent.event import Event
from redis.exceptions import RedisError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from . import metrics
from .backoff import Backoff
from .broker import Broker
from .diagnosis import UnfitRedis
from .pubsub_connection import ERROR
from .pubsub_connection import PubSubConnection
from .refusal import is_redirection

RECONNECT_DELAY = (0.05, 2.0)  # s until a new connection: the first and the longest delay
GATHERED = 0.004  # s in which messages are gathered while they come closer than that

logger = logging.getLogger(__name__)


class Handler(Protocol):
    """Gets what the connection receives, in the order in which Redis sends. May yield."""

    def control(self) -> Sequence[bytes]:
        """Return the channels of no account to subscribe to on a new connection."""

    def names(self) -> Sequence[bytes]:
        """Return the accounts' channels to subscribe to on a new connection."""

    def missing(self) -> Sequence[bytes]:
        """Return those whose subscription Redis has not confirmed."""

    def connected(self) -> None:
        """A connection is open; the subscriptions follow."""

    def subscribed(self, name: bytes) -> None:
        """Redis has confirmed a subscription."""

    def unsubscribed(self, names: Sequence[bytes]) -> None:
        """Redis has ended subscriptions: because it was asked to, or the channels have moved."""

    def messages(self, name: bytes, payloads: list[bytes]) -> None:
        """Messages of one channel that arrived in a row."""

    def disconnected(self) -> None:
        """The connection is lost: messages may be missed from here until `subscribed`."""


class OtherRedis(UnfitRedis):
    """Messages come from another server than the one to which events are published."""

    name = "redis_other"


class PubSub:
    """The connection to one shard. `on_doubt` is called when it is lost, and when the server has
    refused subscriptions because another one has the channels."""

    def __init__(
        self,
        broker: Broker,
        shard: str,
        handler: Handler,
        on_doubt: Callable[[], object] = lambda: None,
    ):
        self._broker = broker
        self._shard = shard
        self._handler = handler
        self._on_doubt = on_doubt
        self._connection: PubSubConnection | None = None
        self._pongs: dict[bytes, Event] = {}
        self._received_at = 0.0  # time.monotonic() of the last replies
        self._error: Exception = RedisTimeoutError("Not connected yet")  # while not connected
        consequence = f"Not listening to Redis {shard}".rstrip()
        self._backoff = Backoff(logger, consequence, *RECONNECT_DELAY)

    def run(self) -> None:
        while True:
            try:
                connection = self._broker.connect_pubsub(self._shard)
                try:
                    self._subscribe(connection)
                    self._backoff.succeeded()
                    while True:
                        self._receive_some(connection)
                finally:
                    self.disconnect()
                    connection.close()
            except Exception as error:
                self._error = error
                self._on_doubt()
                self._backoff.wait(error)

    def _subscribe(self, connection: PubSubConnection) -> None:
        self._connection = connection
        self._handler.connected()
        metrics.RECONNECTS.inc()
        connection.send("SUBSCRIBE", *self._handler.control())
        shards = self._broker.shards
        connection.send_all(
            (shards.subscribe, *names) for names in shards.batches(self._handler.names())
        )

    def _receive_some(self, connection: PubSubConnection) -> None:
        """Handle what has arrived. If that is much, let more arrive until GATHERED is over: a
        process that sleeps before each of many messages spends most of its time waking up."""
        replies = connection.read()
        now = time.monotonic()
        busy = len(replies) > 1 or now - self._received_at < GATHERED
        self._received_at = now
        self._receive(replies)
        rest = now + GATHERED - time.monotonic()
        if busy and rest > 0:
            gevent.sleep(rest)

    def _receive(self, replies: Iterable[list[bytes]]) -> None:
        for kind, group in groupby(replies, key=itemgetter(0)):
            if kind in (b"message", b"smessage"):
                for name, row in groupby(group, key=itemgetter(1)):
                    self._handler.messages(name, [payload for _, _, payload in row])
            elif kind in (b"subscribe", b"ssubscribe"):
                for _, name, _ in group:
                    self._handler.subscribed(name)
            elif kind == b"sunsubscribe":
                self._handler.unsubscribed([name for _, name, _ in group])
            elif kind == b"pong":
                for _, token in group:
                    if token in self._pongs:
                        self._pongs[token].set()
            elif kind == ERROR:
                for _, text in group:
                    self._refused(text.decode(errors="replace"))

    def _refused(self, text: str) -> None:
        if not is_redirection(text):
            raise ResponseError(f"Redis refused on the pub/sub connection: {text}")
        self._broker.shards.note(text)
        self._on_doubt()

    def disconnect(self) -> None:
        self._connection = None
        self._handler.disconnected()

    def subscribe(self, names: Sequence[bytes]) -> None:
        """Subscribe to channels. Does nothing without a connection: a new one begins with all."""
        for batch in self._broker.shards.batches(names):
            self.command(self._broker.shards.subscribe, *batch)

    def subscribe_again(self) -> None:
        """Subscribe to what Redis has not confirmed, which it may have refused."""
        self.subscribe(self._handler.missing())

    def unsubscribe(self, names: Sequence[bytes]) -> None:
        """Unsubscribe from channels. Does nothing without a connection."""
        for batch in self._broker.shards.batches(names):
            self.command(self._broker.shards.unsubscribe, *batch)

    def command(self, *command: str | bytes) -> None:
        """Send on the connection, if there is one."""
        connection = self._connection
        if connection is not None:
            try:
                connection.send(*command)
            except (RedisError, OSError):
                if self._connection is connection:
                    # redis-py would connect again on the next send, and nothing would read that.
                    self._connection = None
                connection.close()  # wakes its reader, which connects again

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
        server = self._broker.server(self._shard)
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
