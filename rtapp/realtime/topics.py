"""The topics of this process: which are subscribed to in Redis, on which shard, and the subscribers
of each."""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator

from .broker import Topic
from .burst import Ephemeral
from .channel import Channel
from .pubsubs import PubSubs
from .shards import Shards
from .subscriber import Subscriber


class Topics:
    def __init__(self, shards: Shards, pubsubs: PubSubs, observes: Callable[[Topic], bool]):
        self._shards = shards
        self._pubsubs = pubsubs
        self._observes = observes
        self.channels: dict[bytes, Channel] = {}
        self.idle: dict[Channel, float] = {}  # channels without subscribers, and since when
        self.ephemeral_seq = 0  # the number of the newest ephemeral event
        self.generation = 0  # counts lost subscriptions

    # Subscribers

    def join(self, subscriber: Subscriber) -> None:
        """Add the subscriber to its topics' channels; subscribe in Redis where a channel is new."""
        fresh = []
        shard = self._shards.of(subscriber.subscription.account_id)
        for topic in subscriber.topics:
            channel = self.channel(topic)
            if channel is None:
                channel = Channel(topic, self._observes(topic), shard, self.generation)
                self.channels[channel.name] = channel
                fresh.append(channel.name)
            channel.add(subscriber)
            self.idle.pop(channel, None)
        if fresh:  # last: sending may yield
            self._pubsubs.subscribe(shard, fresh)

    def part(self, subscriber: Subscriber) -> None:
        """Remove the subscriber from its topics' channels."""
        for channel in self.of(subscriber.topics):
            channel.remove(subscriber)
            if not channel.subscribers:
                self.idle[channel] = time.monotonic()

    def drop(self, channel: Channel) -> None:
        """Unsubscribe in Redis from a topic without subscribers."""
        del self.channels[channel.name], self.idle[channel]
        self._pubsubs.unsubscribe(channel.shard, [channel.name])

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

    def on(self, shard: str) -> list[Channel]:
        """The channels of the topics that are, or are to be, subscribed to on the shard."""
        return [channel for channel in self.channels.values() if channel.shard == shard]

    def missing(self, shard: str) -> list[bytes]:
        """The names of those whose subscription Redis has not confirmed."""
        return [channel.name for channel in self.on(shard) if not channel.subscribed]

    def invalidate(self, channels: Iterable[Channel]) -> None:
        """Their subscriptions are lost: on each of these topics something may have been missed."""
        self.generation += 1
        seq = self.next_seq()
        for channel in channels:
            channel.invalidate(seq, self.generation)

    def generation_of(self, topics: Iterable[Topic]) -> int:
        """A number that a loss of one of their subscriptions raises: a reading from before it is
        not current."""
        return max((channel.generation for channel in self.of(topics)), default=0)

    def move(self) -> list[Channel]:
        """Have the channels follow their accounts to other shards. Return those that have moved:
        their subscriptions are lost."""
        moves: dict[tuple[str, str], list[Channel]] = {}
        for channel in self.channels.values():
            shard = self._shards.of(channel.topic.account_id)
            if shard != channel.shard:
                moves.setdefault((channel.shard, shard), []).append(channel)
        moved = []
        for (old, new), channels in moves.items():
            for channel in channels:
                channel.move(new)
            self._pubsubs.move(old, new, [channel.name for channel in channels])
            moved += channels
        if moved:
            self.invalidate(moved)
        return moved

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
