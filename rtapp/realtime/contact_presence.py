"""A visitor's presence: whether the customer of a conversation is on the website now.

A thread has one customer, so its group has one holder; the value is the contact's id. A stream of
the visitor holds a lease on each of their newest threads, which alone receive the change.
"""

from functools import lru_cache

from .group import Kind
from .group import LeaseSpec

LEASE_CACHE_SIZE = 10_000  # a visitor's tabs share one spec

HOLDER = "contact"
# As of presence: a page that loads is no departure.
CONTACT_PRESENCE = Kind("contact_presence", grace=10)


@lru_cache(LEASE_CACHE_SIZE)
def lease(topics: tuple[str, ...], contact_id: int) -> LeaseSpec:
    """Return the lease of a visitor's stream, on the topics of their threads."""
    return LeaseSpec(CONTACT_PRESENCE, topics, HOLDER, str(contact_id))
