"""The presence of an inbox's members for the visitors of its website: whether there is one.

The holder is a user's id. A visitor receives no more than whether the group has a member.
"""

from .group import Group
from .group import Kind
from .group import LeaseSpec

# As of presence: a page that loads is no departure.
INBOX_PRESENCE = Kind("inbox_presence", lasts=45, grace=10, renewed=True)


def group(topic: str) -> Group:
    return Group(INBOX_PRESENCE, topic)


def lease(topics: tuple[str, ...], user_id: int) -> LeaseSpec:
    """Return the lease of a user's presence stream on the topics of their websites."""
    return LeaseSpec(INBOX_PRESENCE, topics, str(user_id), "online")
