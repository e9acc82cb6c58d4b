"""A pub/sub connection to Redis, read in batches."""

from typing import Any

import hiredis
from gevent.lock import Semaphore
from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError

RECEIVE_BUFFER = 1 << 16  # bytes taken from the socket at once


class PubSubConnection:
    """Made by redis-py (address, TLS, authentication); replies are parsed by hiredis straight from
    the socket, because redis-py's PubSub returns one message a call."""

    def __init__(self, pool: ConnectionPool):
        # Not from the pool, which would count this connection as in use for good.
        connection: Any = pool.connection_class(**pool.connection_kwargs)
        connection.connect()
        self._connection = connection
        self._sending = Semaphore()
        self._socket = connection._sock
        self._socket.settimeout(None)
        self._reader = hiredis.Reader()

    def send(self, *command: str | bytes) -> None:
        """Send SUBSCRIBE, UNSUBSCRIBE or PING; `read` returns the reply."""
        with self._sending:
            self._connection.send_command(*command, check_health=False)

    def read(self) -> list[list[bytes]]:
        """Wait for data, and return every complete reply. Raises RedisError or OSError."""
        data = self._socket.recv(RECEIVE_BUFFER)
        if not data:
            raise RedisConnectionError("Redis closed the pub/sub connection")
        self._reader.feed(data)
        replies = []
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, Exception):
                raise RedisConnectionError(f"Redis refused on the pub/sub connection: {reply}")
            replies.append(reply)
        return replies

    def close(self) -> None:
        self._connection.disconnect()
