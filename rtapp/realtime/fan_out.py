"""From a message of Redis to the sockets of a topic's live streams: encoded once per format, and
written without a queue. Blocked streams, and all after a gap or a reset, catch up from the log."""

from __future__ import annotations

import time
from collections.abc import Iterable
from collections.abc import Iterator

from . import metrics
from .announcer import Announcer
from .broker import Announcement
from .broker import Message
from .broker import Topic
from .broker import decode_push
from .burst import Burst
from .burst import Ephemeral
from .burst import Position
from .channel import Advance
from .channel import Channel
from .frames import RESET
from .frames import Frames
from .group import Group
from .high_water_marks import HighWaterMarks
from .hub import Hub
from .incidents import Incident
from .incidents import Incidents
from .leases import KINDS
from .leases import Leases
from .markers import PREFIX as MARKER_PREFIX
from .markers import Markers
from .observer import Observer
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .topics import Topics

WRITES_PER_TURN = 500  # sockets written before others get a turn: about 5 ms

# An event, and the position to which it moves a subscriber.
Delivery = tuple[Position, Message | Ephemeral]


class FanOut:
    def __init__(
        self,
        hub: Hub,
        topics: Topics,
        markers: Markers,
        leases: Leases,
        frames: Frames,
        announcer: Announcer,
        observer: Observer,
        high_water_marks: HighWaterMarks,
        incidents: Incidents,
    ):
        self._hub = hub
        self._topics = topics
        self._markers = markers
        self._leases = leases
        self._frames = frames
        self._announcer = announcer
        self._observer = observer
        self._high_water_marks = high_water_marks
        self._incidents = incidents

    def deliver(self, channel: Channel, payloads: Iterable[bytes]) -> None:
        """Write the messages of a channel that arrived in a row: one write per socket. Yields."""
        deliveries: list[Delivery] = []  # what the live subscribers need next, in order
        for payload in payloads:
            if payload.startswith(MARKER_PREFIX):
                token = payload[len(MARKER_PREFIX) :]
                self._markers.arrived(token, self._topics.ephemeral_seq)
                continue
            push = decode_push(payload)
            if isinstance(push, Announcement):
                deliveries += self._announced(channel, push)
            elif self._follows(channel, push):
                deliveries.append((push.cursor, push))
        if deliveries:
            self._write(channel, deliveries)
            if channel.observed:
                self._observer.delivered(channel.subscribers, [event for _, event in deliveries])

    def push(self, topic: Topic, event: Ephemeral) -> None:
        """Write an event to the topic's live streams. It is neither logged nor numbered."""
        bursts: dict[str, Burst] = {}
        for subscriber in self._live(topic):
            format = subscriber.subscription.format
            if format not in bursts:
                bursts[format] = self._frames.burst([(None, event)], format)
            if subscriber.state is State.LIVE and bursts[format].payload:
                self._hub.push(subscriber, bursts[format])

    def any_live(self, topic: Topic) -> bool:
        return bool(self._live(topic))

    def _live(self, topic: Topic) -> list[Subscriber]:
        channel = self._topics.channel(topic)
        subscribers = channel.subscribers if channel is not None else ()
        return [subscriber for subscriber in subscribers if subscriber.state is State.LIVE]

    def _announced(self, channel: Channel, announcement: Announcement) -> Iterator[Delivery]:
        topic, kind, diff = channel.topic, KINDS[announcement.kind], announcement.diff
        self._leases.schedule_expiry(topic.account_id, Group(kind, topic.name), diff.next_expiry_ms)
        for ephemeral in self._announcer.announce(topic, kind, diff):
            seq = self._topics.next_seq()
            channel.record(seq, ephemeral)
            yield seq, ephemeral

    def _follows(self, channel: Channel, message: Message) -> bool:
        self._high_water_marks.observe(channel.topic.account_id, message.cursor)
        before = channel.position
        advance = channel.advance(message)
        if advance is Advance.NEXT and message.event != RESET:
            return True
        if advance is Advance.GAP:
            metrics.GAPS.inc()
            same_epoch = before is not None and before.epoch == message.cursor.epoch
            self._note_gap(channel, "missed" if same_epoch else "other_epoch")
        if advance is not Advance.SEEN:
            self._hub.catch_up_all(channel)  # a reset, too, is for the replay
        return False

    def _note_gap(self, channel: Channel, reason: str) -> None:
        account_id, name = channel.topic
        streams = len(channel.subscribers)
        self._incidents.note(Incident(time.time(), "gap", account_id, (name,), reason, streams))

    def _write(self, channel: Channel, deliveries: list[Delivery]) -> None:
        bursts: dict[str, Burst] = {}
        written = size = 0
        for subscriber in tuple(channel.subscribers):
            if subscriber.state is not State.LIVE:
                continue
            format = subscriber.subscription.format
            whole = bursts.get(format)
            if whole is None:
                whole = bursts[format] = self._frames.burst(deliveries, format)
            burst = whole.after(subscriber.cursor, subscriber.last_seq)
            if burst is None or not burst.payload:
                continue
            self._hub.deliver(subscriber, burst)
            written += 1
            size += len(burst.payload)
            if written % WRITES_PER_TURN == 0:
                yield_to_loop()
        metrics.FAN_OUTS.count(deliveries, size, written)
