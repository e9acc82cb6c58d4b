"""Whoever counts by what goes by: the hub tells them in passing, and waits for nothing."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .broker import Message
from .broker import Topic
from .subscriber import Ephemeral
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .hub import Hub


class Observer:
    """Is told of the topics that it observes. This one observes none; override all.

    Deliveries wait until `heard` and `went_live` return: they may take note, and no more. What
    there is to do is done by `run`, a greenlet that the hub starts and ends.
    """

    def observes(self, topic: Topic) -> bool:
        return False

    def heard(
        self, subscribers: Collection[Subscriber], said: Iterable[Message | Ephemeral]
    ) -> None:
        """Some or all of these were sent this, as it was published or to catch up."""

    def went_live(self, subscriber: Subscriber) -> None:
        """It has been sent all that was published, and may have missed what no log has."""

    def run(self, hub: Hub) -> None:
        """To push what is to be said with `hub.push`, to those who are live."""
