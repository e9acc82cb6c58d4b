"""Typing: someone is, until they stop, send, leave, or have not said so again for a while.

The holder is `user:<id>` or `contact:<id>`; its value is what an announcement tells of them.
"""

from functools import lru_cache

from .group import Kind
from .group import LeaseSpec

LEASE_CACHE_SIZE = 10_000  # the tabs of a user that show one thread have one and the same

# Clients say it again every few seconds while one types.
TYPING = Kind("typing", lasts=8, held_by_connection=False)


@lru_cache(LEASE_CACHE_SIZE)
def lease(topics: tuple[str, ...], holder: str) -> LeaseSpec:
    """What whoever has a stream of the thread may be typing, and stops to when they leave."""
    return LeaseSpec(TYPING, topics, holder, "")


def started(holder: str, value: str) -> tuple[str, str, str, str]:
    return "hold", holder, "-", value


def stopped(holder: str) -> tuple[str, str, str, str]:
    return "release", holder, "-", "0"
