"""Stalled readers, and a publisher that fills their sockets without a database."""

import contextlib
import time
from collections.abc import Iterator

from rtapp.realtime.broker import Broker

from ..harness.waiting import eventually
from .reader import ACCOUNT
from .reader import never_read
from .server import Server

STALLED = 100
LARGE = 8_000  # characters of an event that soon fills a socket
FILLING = 30  # of these are more than a socket takes
OPEN, DELIVERIES = "rtapp_open_streams", "rtapp_deliveries_total"
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
    sockets = never_read(server, path, STALLED)
    try:
        while deliveries(server, publisher):
            pass
        yield
    finally:
        for connection in sockets:
            connection.close()


def deliveries(server: Server, publisher: Publisher) -> int:
    """Publishes more than a socket holds to conversation 2: how many events were sent?"""
    before = server.metrics()[DELIVERIES]
    publish_large(server, publisher, FILLING)
    return int(server.metrics()[DELIVERIES] - before)


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
