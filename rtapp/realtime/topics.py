"""Which topics this process listens to, and who in it has subscribed to each."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .broker import Topic
from .channel import Channel
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .hub import Hub


class Topics:
    def __init__(self, hub: Hub):
        self._hub = hub
        self.channels: dict[bytes, Channel] = {}
        self.idle: dict[Channel, float] = {}  # since when nobody has subscribed to it

    def join(self, subscriber: Subscriber, topics: tuple[Topic, ...]) -> None:
        """Has the subscriber hear these, and nothing else."""
        self.part(subscriber)
        fresh = [name for topic in topics if (name := topic.channel.encode()) not in self.channels]
        subscriber.topics = tuple(self._channel(topic) for topic in topics)
        for channel in subscriber.topics:
            channel.subscribers.add(subscriber)
            self.idle.pop(channel, None)
        if fresh:  # last, because others may have their turns meanwhile
            self._hub.listening.command("SUBSCRIBE", *fresh)

    def part(self, subscriber: Subscriber) -> None:
        for channel in subscriber.topics:
            channel.subscribers.discard(subscriber)
            if not channel.subscribers:
                self.idle[channel] = time.monotonic()

    def _channel(self, topic: Topic) -> Channel:
        name = topic.channel.encode()
        if name not in self.channels:
            self.channels[name] = Channel(topic, self._hub.observer.observes(topic))
        return self.channels[name]

    def confirm(self, name: bytes) -> None:
        """Redis has said that it will tell us of the topic from now on."""
        channel = self.channels.get(name)
        if channel is not None and not channel.confirmed:
            channel.confirmed = True
            self.catch_up(channel)

    def doubt(self) -> None:
        """Something may have been said on every topic that nobody here has heard."""
        said = self._hub.delivery.number()
        for channel in self.channels.values():
            channel.confirmed = False
            channel.position = None
            channel.forget(said)

    def catch_up(self, channel: Channel) -> None:
        for subscriber in tuple(channel.subscribers):
            self._hub.catch_up(subscriber)

    def leave(self, channel: Channel) -> None:
        """Stops listening to a topic that nobody has subscribed to."""
        del self.channels[channel.name], self.idle[channel]
        self._hub.listening.command("UNSUBSCRIBE", channel.name)
