"""From what Redis said on a topic to the sockets of its live subscribers: encoded once per format,
written straight. Whoever can't take it, and everyone after a gap, catches up from the log."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import metrics
from .broker import Announcement
from .broker import Message
from .broker import heard
from .channel import Channel
from .group import Group
from .leases import KINDS
from .scheduling import yield_to_loop
from .subscriber import Burst
from .subscriber import Ephemeral
from .subscriber import Mark
from .subscriber import State

if TYPE_CHECKING:
    from .hub import Hub

WRITES_PER_TURN = 500  # sockets written before others get a turn: about 5 ms

# An event as it arrived, and what it moves a subscriber to.
Heard = tuple[Mark, Message | Ephemeral]


class Delivery:
    def __init__(self, hub: Hub):
        self._hub = hub
        self.said = 0  # ephemeral events heard so far: their numbers

    def number(self) -> int:
        """The next ephemeral event's."""
        self.said += 1
        return self.said

    def deliver(self, channel: Channel, payloads: Iterable[bytes]) -> None:
        events = list(self._needed(channel, payloads))
        self._fan_out(channel, events)
        if channel.observed and events:
            self._hub.observer.heard(channel.subscribers, [said for _, said in events])

    def _needed(self, channel: Channel, payloads: Iterable[bytes]) -> Iterator[Heard]:
        """What of it everyone who is live needs next, in order."""
        for payload in payloads:
            said = heard(payload)
            if isinstance(said, Announcement):
                yield from self._announced(channel, said)
            elif self._follows(channel, said):
                yield said.cursor, said

    def _announced(self, channel: Channel, said: Announcement) -> Iterator[Heard]:
        topic, kind = channel.topic, KINDS[said.kind]
        self._hub.leases.heard(topic.account_id, Group(kind, topic.name), said.diff.next_expiry_ms)
        for ephemeral in self._hub.announcer.announce(topic, kind, said.diff):
            number = self.number()
            channel.remember(number, ephemeral)
            yield number, ephemeral

    def _follows(self, channel: Channel, message: Message) -> bool:
        """Moves the channel's position. Returns whether the message is what everyone needs next."""
        position, channel.position = channel.position, message.cursor
        self._hub.broker.high_water_marks.observe(channel.topic.account_id, message.cursor)
        if position is None:
            return True
        if message.cursor.epoch == position.epoch:
            if message.cursor <= position:
                channel.position = position
                return False
            if message.previous <= position[1:]:
                return True
        metrics.GAPS.inc()
        self._hub.topics.catch_up(channel)
        return False

    def _fan_out(self, channel: Channel, events: list[Heard]) -> None:
        bursts: dict[str, Burst] = {}
        sent = size = 0
        for subscriber in tuple(channel.subscribers) if events else ():
            if subscriber.state is not State.LIVE:
                continue
            format = subscriber.subscription.format
            if format not in bursts:
                bursts[format] = self.burst(events, format)
            burst = bursts[format].after(subscriber.cursor)
            if burst is None or not burst.payload:
                continue
            self._hub.send(subscriber, burst)
            sent += 1
            size += len(burst.payload)
            if sent % WRITES_PER_TURN == 0:
                yield_to_loop()
        metrics.fanned_out([mark for mark, _ in events], size, sent)

    def burst(self, events: Iterable[Heard], format: str) -> Burst:
        frames = self._hub.frames
        return Burst(
            [
                (mark, frames.ephemeral(said, format))
                if isinstance(said, Ephemeral)
                else frames.message(said, format)
                for mark, said in events
            ]
        )
