"""The cost of 100 stalled readers for 900 others and for the process.

Short rounds with and without them in turn, so that whatever else the machine does falls on both.
Events are published straight to the broker, so that no database is measured.
"""

import contextlib
import os
import selectors
import socket
import time
from collections.abc import Iterator
from statistics import median
from statistics import quantiles

import gevent
import pytest
from gevent.monkey import get_original

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .server import Server
from .sizes import SIZES
from .stalled import LARGE
from .stalled import OPEN
from .stalled import STALLED
from .stalled import Publisher
from .stalled import publish_large
from .stalled import stalled_readers

READING = 900
BOUND = 1.2  # × the value without the stalled readers
EVENTS = 30  # in a round
# Events before the measured ones. The crowd idled while the sockets were filled; after a pause,
# Linux acknowledges the next packets of a connection one by one, which costs a fifth more.
WARM_UP = 40
UNSENT = 1_500  # large events, 1.2 GB for all stalled readers, to show that none are kept
MIB = 1024 * 1024

# gevent's own has no epoll.
KernelSelector = get_original("selectors", "DefaultSelector")


class Crowd:
    """Many readers of one conversation in one loop, so that their own cost is small."""

    def __init__(self, server: Server):
        self._selector = KernelSelector()
        self._sockets = [socket.socket() for _ in range(READING)]
        for connection in self._sockets:
            connection.connect(("127.0.0.1", server.port))
            path = "/streams/conversations/1"
            connection.sendall(server.request(path, server.bearer("Ada")))
            connection.setblocking(False)
            self._selector.register(connection, selectors.EVENT_READ)
        self.arrivals("stream.open")

    def close(self) -> None:
        self._selector.close()
        for connection in self._sockets:
            connection.close()

    def arrivals(self, event: str = "message.created") -> list[float]:
        """Return when each reader had the next such event. Only one may be in flight."""
        name = f"event: {event}\n".encode()
        missing = set(self._selector.get_map())
        arrived = []
        deadline = time.monotonic() + PATIENCE
        while missing:
            assert time.monotonic() < deadline, f"{len(missing)} did not get {event}"
            ready = self._selector.select(0)
            if not ready:
                gevent.sleep(0)
            for key, _ in ready:
                if name in os.read(key.fd, 1 << 20):
                    missing.remove(key.fd)
                    arrived.append(time.monotonic())
                    deadline = arrived[-1] + PATIENCE
        return arrived


class Costs:
    """The cost of events, with or without stalled readers."""

    def __init__(self) -> None:
        self.delays: list[list[float]] = []  # s, of each event: one for each reader
        self.cpu = 0.0  # s for which the server had a processor

    def measure(self, server: Server, crowd: Crowd, publisher: Publisher) -> None:
        for _ in range(WARM_UP):
            publisher.publish(1)
            crowd.arrivals()
        before = server.cpu()
        for _ in range(EVENTS):
            began = publisher.publish(1)
            self.delays.append([at - began for at in crowd.arrivals()])
        self.cpu += server.cpu() - before

    @property
    def p99(self) -> float:
        """The median over events of the s until 99 % of the readers have it."""
        return median(p99(delays) for delays in self.delays)

    @property
    def p99_of_all(self) -> float:
        return p99([delay for delays in self.delays for delay in delays])


def p99(delays: list[float]) -> float:
    return quantiles(delays, n=100)[98]


@pytest.fixture
def publisher(redis) -> Iterator[Publisher]:
    with contextlib.closing(Publisher(redis.url)) as publisher:
        yield publisher


@pytest.mark.timeout(1_800)
def test_a_tenth_of_stalled_readers_delays_the_others_by_less_than_a_fifth(start, publisher, tell):
    server = start()
    crowd = Crowd(server)
    Costs().measure(server, crowd, publisher)  # to warm up
    alone, siblings = Costs(), Costs()

    def within() -> bool:
        return siblings.p99 < BOUND * alone.p99 and siblings.cpu < BOUND * alone.cpu

    # A noisy machine gets more rounds, not a looser bound.
    for rounds in range(1, 3 * SIZES.stalled_rounds + 1):
        alone.measure(server, crowd, publisher)
        with stalled_readers(server, publisher):
            siblings.measure(server, crowd, publisher)
            assert server.metrics()[OPEN] == READING + STALLED, "a stream was closed meanwhile"
        eventually(lambda: server.metrics()[OPEN] == READING, "the stalled readers are gone")
        if rounds >= SIZES.stalled_rounds and within():
            break
    crowd.close()
    events = len(alone.delays)
    tell(
        f"{READING} readers, {events} events alone and {events} beside {STALLED} stalled ones: "
        f"p99 {1000 * alone.p99:.1f} → {1000 * siblings.p99:.1f} ms "
        f"({siblings.p99 / alone.p99:.2f} ×; of all events together "
        f"{siblings.p99_of_all / alone.p99_of_all:.2f} ×), processor "
        f"{1000 * alone.cpu / events:.1f} → {1000 * siblings.cpu / events:.1f} ms an event "
        f"({siblings.cpu / alone.cpu:.2f} ×)"
    )
    assert within()


def test_the_servers_memory_does_not_grow_with_the_unsent_events_of_stalled_readers(
    start, publisher, tell
):
    server = start()
    with stalled_readers(server, publisher):
        pass  # to warm up
    eventually(lambda: not server.metrics()[OPEN], "the stalled readers are gone")
    with stalled_readers(server, publisher):
        before = server.resident()
        publish_large(server, publisher, UNSENT)
        grown = server.resident() - before
        assert server.metrics()[OPEN] == STALLED
    tell(
        f"{grown / MIB:+.2f} MiB for {UNSENT * LARGE * STALLED / MIB:.0f} MiB not sent to "
        f"{STALLED} stalled readers"
    )
    assert grown < 2 * MIB
