"""Many clients of one address."""

from collections.abc import Iterator
from contextlib import contextmanager

from ..faults.server import Server
from ..harness.waiting import eventually
from .client import connected
from .proxies import Proxy

THREAD = "/streams/conversations/1"
STREAMS_PER_ADDRESS = 100
CROWDED, OTHER = "127.0.0.2", "127.0.0.3"  # addresses of two clients


@contextmanager
def crowd(proxy: Proxy, server: Server) -> Iterator[None]:
    """A block in which CROWDED has as many streams as an address may have."""
    before = open_streams(server)
    client = proxy.route.client(CROWDED, **server.bearer("Ada"))
    streams = connected(client, THREAD, STREAMS_PER_ADDRESS)
    assert open_streams(server) == before + STREAMS_PER_ADDRESS
    yield
    for stream in streams:
        stream.close()
    proxy.stop()  # some notice only with the next events that the clients have gone
    proxy.start()
    eventually(lambda: open_streams(server) <= before, "all have hung up")


def asked(proxy: Proxy, server: Server, address: str, **headers: str) -> int:
    """The status of the answer to another stream from this address."""
    client = proxy.route.client(address, **server.bearer("Ada"))
    with client.stream("GET", THREAD, headers=headers) as answer:
        return answer.status_code


def open_streams(server: Server) -> float:
    return server.metrics()["rtapp_open_streams"]
