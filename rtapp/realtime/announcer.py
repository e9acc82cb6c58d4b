"""The events that announce groups: the engine has leases, the application has events."""

from .broker import Topic
from .burst import Ephemeral
from .group import GroupDiff
from .group import Kind
from .group import Snapshot


class Announcer:
    """Turns groups into ephemeral events. This one has none; override all three."""

    def kinds(self, topic: Topic) -> tuple[Kind, ...]:
        """Return the kinds of groups that are announced on the topic."""
        return ()

    def announce(self, topic: Topic, kind: Kind, diff: GroupDiff) -> list[Ephemeral]:
        """Return the events of a change, for clients that have the state before it."""
        return []

    def snapshot(self, topic: Topic, kind: Kind, snapshot: Snapshot) -> list[Ephemeral]:
        """Return the events of the whole state, for clients with no state or an old one."""
        return []
