"""A topic as this process hears it: how far, by whom, and what was said lately that no log has."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from .broker import Topic
from .cursor import Cursor

if TYPE_CHECKING:
    from .subscriber import Ephemeral
    from .subscriber import Subscriber

RECENT = 64  # ephemeral events of a topic that are kept


class Channel:
    """A topic that this process listens to. `position` is the newest message heard on it.

    Invariant: every live subscriber of it has everything up to `position`, in one epoch; there is
    none while `position` is None. Ephemeral events, which no log has, are numbered by the hub; the
    newest are kept for whoever was not live just then.
    """

    __slots__ = (
        "_forgotten",
        "_recent",
        "confirmed",
        "name",
        "observed",
        "position",
        "subscribers",
        "topic",
    )  # fmt: skip

    def __init__(self, topic: Topic, observed: bool = False):
        self.topic = topic
        self.observed = observed  # whether the hub's observer is told of what goes by
        self.name = topic.channel.encode()
        self.subscribers: set[Subscriber] = set()
        self.position: Cursor | None = None
        self.confirmed = False  # whether Redis has said that it will tell us of it
        self._recent: deque[tuple[int, Ephemeral]] | None = None
        self._forgotten = 0

    def remember(self, number: int, ephemeral: Ephemeral) -> None:
        if self._recent is None:
            self._recent = deque()
        elif len(self._recent) == RECENT:
            self._forgotten, _ = self._recent.popleft()
        self._recent.append((number, ephemeral))

    def forget(self, number: int) -> None:
        """What was said up to `number` may not have been heard here."""
        self._recent, self._forgotten = None, number

    def since(self, number: int) -> list[tuple[int, Ephemeral]] | None:
        """The ephemeral events after `number`, or None if not all of them are known."""
        if self._forgotten > number:
            return None
        return [pair for pair in self._recent or () if pair[0] > number]
