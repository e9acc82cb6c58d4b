"""The interface of an observer of deliveries, which may push events of its own."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Iterable
from typing import Protocol

from .broker import Message
from .broker import Topic
from .burst import Ephemeral
from .subscriber import Subscriber


class LiveStreams(Protocol):
    """The live streams of this process, as an observer may use them."""

    def any_live(self, topic: Topic) -> bool:
        """Return whether a live stream is subscribed to the topic."""

    def push(self, topic: Topic, event: Ephemeral) -> None:
        """Write an event to the topic's live streams. It is neither logged nor numbered."""


class Observer:
    """Called for the topics that it observes. This one observes none; override all.

    Deliveries wait until `delivered` and `went_live` return: they must not block. The work is done
    in `run`, a greenlet that the engine starts and ends.
    """

    def observes(self, topic: Topic) -> bool:
        return False

    def delivered(
        self, subscribers: Collection[Subscriber], events: Iterable[Message | Ephemeral]
    ) -> None:
        """Called for each delivery, live or by replay, to some or all of these subscribers."""

    def went_live(self, subscriber: Subscriber) -> None:
        """Called when a stream goes live: it may have missed what was pushed before."""

    def rights_changed(self, subscriber: Subscriber) -> None:
        """Called when a stream was authorised again because of a change of its principal's rights:
        also if its topics are the same, because the change may have been taken back."""

    def run(self, streams: LiveStreams) -> None:
        """Push the results of the observation, until killed."""
