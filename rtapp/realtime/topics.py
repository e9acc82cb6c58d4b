"""The topics of this process: which are subscribed to in Redis, and the subscribers of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from .broker import Topic
from .burst import Ephemeral
from .channel import Channel
from .pubsub import PubSub
from .subscriber import Subscriber


class Topics:
    def __init__(self, pubsub: PubSub, observes: Callable[[Topic], bool]):
        self._pubsub = pubsub
        self._observes = observes
        self.channels: dict[bytes, Channel] = {}
        self.idle: dict[Channel, float] = {}  # channels without subscribers, and since when
        self.ephemeral_seq = 0  # the number of the newest ephemeral event
        self.generation = 0  # counts lost connections: a reading from before one is not current

    # Subscribers

    def join(self, subscriber: Subscriber) -> None:
        """Add the subscriber to its topics' channels; subscribe in Redis where a channel is new."""
        fresh = []
        for topic in subscriber.topics:
            channel = self.channel(topic)
            if channel is None:
                channel = Channel(topic, self._observes(topic))
                self.channels[channel.name] = channel
                fresh.append(channel.name)
            channel.add(subscriber)
            self.idle.pop(channel, None)
        if fresh:  # last: sending may yield
            self._pubsub.command("SUBSCRIBE", *fresh)

    def part(self, subscriber: Subscriber) -> None:
        """Remove the subscriber from its topics' channels."""
        for channel in self.of(subscriber.topics):
            channel.remove(subscriber)
            if not channel.subscribers:
                self.idle[channel] = time.monotonic()

    def drop(self, channel: Channel) -> None:
        """Unsubscribe in Redis from a topic without subscribers."""
        del self.channels[channel.name], self.idle[channel]
        self._pubsub.command("UNSUBSCRIBE", channel.name)

    # Channels

    def channel(self, topic: Topic) -> Channel | None:
        return self.channels.get(topic.channel.encode())

    def of(self, topics: Iterable[Topic]) -> Iterator[Channel]:
        """The channels of the topics that have one."""
        for topic in topics:
            if (channel := self.channel(topic)) is not None:
                yield channel

    def subscribed(self, topics: Iterable[Topic]) -> bool:
        """Return whether Redis has confirmed the subscription of each."""
        channels = (self.channel(topic) for topic in topics)
        return all(channel is not None and channel.subscribed for channel in channels)

    def observed(self, topics: Iterable[Topic]) -> bool:
        return any(channel.observed for channel in self.of(topics))

    def confirm(self, name: bytes) -> Channel | None:
        """Redis has confirmed a subscription. Return the channel if it was waiting for that."""
        channel = self.channels.get(name)
        return channel if channel is not None and channel.confirm() else None

    def invalidate(self) -> None:
        """The pub/sub connection is lost: on every topic something may have been missed."""
        self.generation += 1
        seq = self.next_seq()
        for channel in self.channels.values():
            channel.invalidate(seq)

    # Ephemeral events

    def next_seq(self) -> int:
        self.ephemeral_seq += 1
        return self.ephemeral_seq

    def missed(self, subscriber: Subscriber) -> list[tuple[int, Ephemeral]] | None:
        """Return the ephemeral events that it does not have, or None if it needs a snapshot."""
        parts = [channel.since(subscriber.last_seq) for channel in self.of(subscriber.topics)]
        if any(part is None for part in parts):
            return None
        return sorted(pair for part in parts if part for pair in part)
