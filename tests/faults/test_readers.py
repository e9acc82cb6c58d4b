"""Connections cut at any byte, beside others that stay."""

import random
import time

import pytest

from ..harness.waiting import eventually
from .check import at_work
from .reader import intact
from .reader import several
from .sizes import LONG
from .sizes import SIZES

CONVERSATIONS = (1, 2, 7)


@pytest.mark.timeout(3_600 if LONG else 1_200)
def test_readers_cut_at_any_byte_lose_no_event_and_other_connections_stay(redis, start, tell):
    server = start()
    stayed = several(server, CONVERSATIONS)
    torn = [reader for _ in range(8) for reader in several(server, CONVERSATIONS)]
    started = time.monotonic()
    with at_work(server, [*stayed, *torn], CONVERSATIONS, rate=SIZES.rate, size=100) as check:
        for reader in torn:
            reader.tear = lambda: random.choice((random.randint(1, 600), random.randint(1, 6_000)))
        eventually(
            lambda: sum(reader.torn for reader in torn) >= SIZES.cuts,
            f"{SIZES.cuts} cuts",
            observed=lambda: sum(reader.torn for reader in torn),
        )
        for reader in torn:
            reader.tear = intact
    assert all(reader.connection == 1 for reader in stayed)
    tell(
        f"{sum(reader.torn for reader in torn)} torn at a random byte in "
        f"{time.monotonic() - started:.0f} s; {check.tally()}"
    )
