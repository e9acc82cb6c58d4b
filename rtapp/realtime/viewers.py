"""Viewers: the users who have a conversation open. Its thread and its lists receive them.

The holder is `<conversation>/<user>`; its value is the user's name. A user who only passes through
a conversation is not announced.
"""

from functools import lru_cache

from .group import Kind
from .group import LeaseSpec

LEASE_CACHE_SIZE = 10_000  # a user's tabs with one conversation share one spec

VIEWERS = Kind("viewers", grace=3, join_delay=1, include_siblings=True)


@lru_cache(LEASE_CACHE_SIZE)
def lease(topics: tuple[str, ...], conversation_id: int, user_id: int, name: str) -> LeaseSpec:
    """Return the lease of a conversation's stream, on the topics of its thread and its lists."""
    return LeaseSpec(VIEWERS, topics, f"{conversation_id}/{user_id}", name)
