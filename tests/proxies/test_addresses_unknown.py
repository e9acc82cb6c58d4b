"""RTAPP_PROXIES=0 behind a proxy: all clients have its address."""

from collections.abc import Iterator

import pytest

from ..faults.server import Server
from .crowd import CROWDED
from .crowd import OTHER
from .crowd import STREAMS_PER_ADDRESS
from .crowd import asked
from .crowd import crowd


@pytest.fixture(scope="module", autouse=True)
def unaware(server: Server) -> Iterator[None]:
    """The server is started again without the setting."""
    configured = dict(server.environment)
    for proxies in ("0", configured["RTAPP_PROXIES"]):
        server.terminate()
        server.environment["RTAPP_PROXIES"] = proxies
        server.start()
        if proxies == "0":
            yield


def test_a_full_address_leaves_no_room_for_another_without_the_setting(proxy, server, table):
    with crowd(proxy, server):
        assert asked(proxy, server, CROWDED) == 429
        assert asked(proxy, server, OTHER) == 429
        table.found(proxy.name, "hundred, `RTAPP_PROXIES=0`", f"{STREAMS_PER_ADDRESS} in all")
