"""Stalled readers, and a publisher that fills their sockets without a database."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

from rtapp.realtime.broker import Broker

from ..harness.waiting import eventually
from .reader import ACCOUNT
from .reader import never_read
from .server import Server

STALLED = 100
LARGE = 8_000  # characters of an event that soon fills a socket
FILLING = 30  # of these are more than a socket takes
OPEN = "rtapp_open_streams"
FANNED_OUT = "rtapp_publish_to_send_seconds_count"


class Publisher:
    """Publishes messages without a database."""

    def __init__(self, url: str):
        self._broker = Broker(url)
        self._count = 0

    def close(self) -> None:
        self._broker.redis.close()

    def publish(self, conversation: int, size: int = 20) -> float:
        """Publish, and return the start time."""
        self._count += 1
        body = f'{{"event":"message.created","data":{{"content":"{"x" * size}"}}}}'
        topics = [(f"conversation:{conversation}", body)]
        began = time.monotonic()
        assert self._broker.publish(ACCOUNT, f"test {self._count}", "message.created", topics)
        return began


@contextlib.contextmanager
def stalled_readers(server: Server, publisher: Publisher) -> Iterator[None]:
    """Open stalled readers of conversations 1 and 2; conversation 2 fills their sockets."""
    path = "/streams?stream=conversation:1&stream=conversation:2"
    with contextlib.ExitStack() as closing:
        sockets = never_read(server, path, STALLED)
        for connection in sockets:
            closing.enter_context(connection)
        ports = {connection.getsockname()[1] for connection in sockets}
        held = -1
        while (now := held_by_kernel(server.port, ports)) > held:
            held = now
            publish_large(server, publisher, FILLING)
        yield


def held_by_kernel(port: int, peers: set[int]) -> int:
    """Bytes of the connections between `port` and `peers` that were written and not read.

    The server's own counters would count what it sends to others meanwhile.
    """
    total = 0
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/self/net/{table}").read_text().splitlines()[1:]:
            _, local, remote, _, queues, *_ = line.split()
            ends = int(local.rpartition(":")[2], 16), int(remote.rpartition(":")[2], 16)
            unacknowledged, unread = (int(queue, 16) for queue in queues.split(":"))
            if ends[0] == port and ends[1] in peers:
                total += unacknowledged
            if ends[1] == port and ends[0] in peers:
                total += unread
    return total


def publish_large(server: Server, publisher: Publisher, events: int) -> None:
    """Publishes to conversation 2, and waits until the hub has had it."""
    heard = server.metrics()[FANNED_OUT]
    for _ in range(events):
        publisher.publish(2, LARGE)
    eventually(
        lambda: server.metrics()[FANNED_OUT] >= heard + events,
        "the hub has had it",
        observed=lambda: server.metrics()[FANNED_OUT],
    )
