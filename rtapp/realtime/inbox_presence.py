"""The presence of an inbox's members for the visitors of its website: whether there is one.

The holder is `<inbox>/<user>`: so an announcement has all holders, from which follows whether the
first has come or the last has gone. A visitor receives no more than that.
"""

from .group import Group
from .group import Kind
from .group import LeaseSpec

# As of presence: a page that loads is no departure.
INBOX_PRESENCE = Kind("inbox_presence", grace=10, include_siblings=True)


def topic(inbox_id: int) -> str:
    """The topic of an inbox's website."""
    return f"website:{inbox_id}"


def group(inbox_id: int) -> Group:
    return Group(INBOX_PRESENCE, topic(inbox_id))


def lease(inbox_id: int, user_id: int) -> LeaseSpec:
    """Return the lease of a user's presence stream, for the visitors of an inbox."""
    return LeaseSpec(INBOX_PRESENCE, (topic(inbox_id),), f"{inbox_id}/{user_id}", "online")
