"""Typing: it lasts until its holder stops, sends, leaves, or has not submitted it for a while.

The holder is `user:<id>` or `contact:<id>`; its value is the content of the announcement.
"""

from functools import lru_cache

from .group import Kind
from .group import LeaseSpec

LEASE_CACHE_SIZE = 10_000  # a user's tabs with one thread share one spec

# Clients submit it again every few seconds during typing.
TYPING = Kind("typing", lasts=8)


@lru_cache(LEASE_CACHE_SIZE)
def lease(topics: tuple[str, ...], holder: str) -> LeaseSpec:
    """Return the lease that an action may take for `holder` while a stream of the thread is open,
    and that the close of the holder's last stream releases."""
    return LeaseSpec(TYPING, topics, holder, "")


def started(holder: str, value: str) -> tuple[str, str, str, str]:
    """Return the operation that starts or prolongs typing."""
    return "hold", holder, "-", value


def stopped(holder: str) -> tuple[str, str, str, str]:
    """Return the operation that ends typing."""
    return "release", holder, "-", "0"
