"""A pub/sub connection to Redis, read in batches."""

import re
from collections.abc import Iterable
from typing import Any

import hiredis
from gevent import Timeout
from gevent.lock import Semaphore
from redis import ConnectionPool
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError
from redis.exceptions import TimeoutError as RedisTimeoutError

RECEIVE_BUFFER = 1 << 16  # bytes taken from the socket at once
ERROR = b"error"  # the kind of a reply that is one
SEND_TIMEOUT = 5.0  # s for which a command waits for the socket


class PubSubConnection:
    """Made by redis-py (address, TLS, authentication); replies are parsed by hiredis straight from
    the socket, because redis-py's PubSub returns one message a call."""

    def __init__(self, pool: ConnectionPool):
        # Not from the pool, which would count this connection as in use for good.
        connection: Any = pool.connection_class(**pool.connection_kwargs)
        self._connection = connection
        try:
            connection.connect()
            self.server = self._run_id()  # the same as Broker.server of the same server
        except BaseException:  # the end of its greenlet, too
            connection.disconnect()
            raise
        self._sending = Semaphore()
        self._socket = connection._sock
        self._socket.settimeout(None)
        self._reader = hiredis.Reader()

    def send(self, *command: str | bytes) -> None:
        """Send SUBSCRIBE, UNSUBSCRIBE or PING; `read` returns the reply. Raises RedisError or
        OSError, also if the socket takes nothing for SEND_TIMEOUT."""
        full = RedisTimeoutError("The pub/sub connection is full")
        with Timeout(SEND_TIMEOUT, full), self._sending:
            self._connection.send_command(*command, check_health=False)

    def send_all(self, commands: Iterable[tuple[str | bytes, ...]]) -> None:
        """`send` them at once."""
        packed = self._connection.pack_commands(commands)
        full = RedisTimeoutError("The pub/sub connection is full")
        with Timeout(SEND_TIMEOUT, full), self._sending:
            self._connection.send_packed_command(packed, check_health=False)

    def read(self) -> list[list[bytes]]:
        """Wait for data, and return every complete reply: an error as [ERROR, its text]. Raises
        RedisError or OSError."""
        data = self._socket.recv(RECEIVE_BUFFER)
        if not data:
            raise RedisConnectionError("Redis closed the pub/sub connection")
        self._reader.feed(data)
        replies = []
        while (reply := self._reader.gets()) is not False:
            if isinstance(reply, Exception):
                reply = [ERROR, str(reply).encode()]
            replies.append(reply)
        return replies

    def _run_id(self) -> str | None:
        """The id of the server's run; None if it is not permitted to ask."""
        try:
            self._connection.send_command("INFO", "server")
            info = self._connection.read_response()
        except NoPermissionError:
            return None
        found = re.search(rb"^run_id:(\w+)", info, re.MULTILINE)
        return found.group(1).decode() if found else None

    def close(self) -> None:
        self._connection.disconnect()
