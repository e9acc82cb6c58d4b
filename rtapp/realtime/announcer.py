"""How what changes in groups is told: the engine knows leases, whoever uses it knows events."""

from .broker import Topic
from .group import GroupDiff
from .group import Kind
from .group import Snapshot
from .subscriber import Ephemeral


class Announcer:
    """Turns groups into ephemeral events. This one has none; override all three."""

    def kinds(self, topic: Topic) -> tuple[Kind, ...]:
        """Which kinds of groups are announced on the topic."""
        return ()

    def announce(self, topic: Topic, kind: Kind, diff: GroupDiff) -> list[Ephemeral]:
        """The events that tell of a change, for whoever knows what was before."""
        return []

    def snapshot(self, topic: Topic, kind: Kind, snapshot: Snapshot) -> list[Ephemeral]:
        """The events that tell all there is, for whoever may know nothing, or something old."""
        return []
