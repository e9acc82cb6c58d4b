"""The presence of an inbox's members for the visitors of its website: whether there is one.

The holder is a user's id. A visitor receives no more than whether the group has a member.
"""

from collections.abc import Iterable

from .group import Group
from .group import Kind
from .group import LeaseSpec

# As of presence: a page that loads is no departure.
INBOX_PRESENCE = Kind("inbox_presence", lasts=45, grace=10, renewed=True)


def topic(inbox_id: int) -> str:
    """The topic of an inbox's website."""
    return f"website:{inbox_id}"


def group(inbox_id: int) -> Group:
    return Group(INBOX_PRESENCE, topic(inbox_id))


def lease(inbox_ids: Iterable[int], user_id: int) -> LeaseSpec:
    """Return the lease of a user's presence stream in these inboxes."""
    return LeaseSpec(INBOX_PRESENCE, tuple(map(topic, inbox_ids)), str(user_id), "online")
