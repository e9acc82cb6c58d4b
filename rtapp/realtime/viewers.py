"""Viewers: who has a conversation open. Told on the thread, and on the lists that show it.

The holder is `<conversation>/<user>`; its value is the user's name. Whoever only passes through a
conversation is not announced.
"""

from functools import lru_cache

from .group import Kind
from .group import LeaseSpec

LEASE_CACHE_SIZE = 10_000  # the tabs of a user that show one conversation hold one and the same

VIEWERS = Kind("viewers", lasts=45, grace=3, join_delay=1, renewed=True, include_siblings=True)


@lru_cache(LEASE_CACHE_SIZE)
def lease(topics: tuple[str, ...], conversation_id: int, user_id: int, name: str) -> LeaseSpec:
    """What a stream of the conversation holds on the conversation's and the lists' topics."""
    return LeaseSpec(VIEWERS, topics, f"{conversation_id}/{user_id}", name)
