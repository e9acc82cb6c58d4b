"""RTAPP_PROXIES=1: the address of a client is the one that our proxy has added."""

import pytest

from .crowd import CROWDED
from .crowd import OTHER
from .crowd import STREAMS_PER_ADDRESS
from .crowd import asked
from .crowd import crowd


def test_a_full_address_leaves_room_for_another_and_a_forged_one_is_not_believed(
    proxy, server, table
):
    forged = {"X-Forwarded-For": "203.0.113.7"}
    if not proxy.ours:
        for check in ("hundred, `RTAPP_PROXIES=1`", "forged address"):
            table.found(proxy.name, check, "not ours")
        pytest.skip("RTAPP_PROXIES counts our own proxies")
    with crowd(proxy, server):
        assert asked(proxy, server, CROWDED) == 429
        assert asked(proxy, server, OTHER) == 200
        table.found(proxy.name, "hundred, `RTAPP_PROXIES=1`", f"{STREAMS_PER_ADDRESS} an address")
        assert asked(proxy, server, CROWDED, **forged) == 429
        table.found(proxy.name, "forged address", "not believed")
