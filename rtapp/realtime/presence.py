"""Presence: a user is present as long as one of their presence streams is open, on any device.

The holder is the user's id; its value is the status that they chose.
"""

from .group import Group
from .group import Kind
from .group import LeaseSpec

# A page may take ten seconds to load.
PRESENCE = Kind("presence", grace=10)
TOPIC = "presence"
GROUP = Group(PRESENCE, TOPIC)


def lease(user_id: int, status: str) -> LeaseSpec:
    """Return the lease of a user's presence stream."""
    return LeaseSpec(PRESENCE, (TOPIC,), str(user_id), status)


def choice(user_id: int, status: str) -> tuple[str, str, str, str]:
    """Return the operation that changes the status of a user who is present."""
    return "change", str(user_id), "-", status
