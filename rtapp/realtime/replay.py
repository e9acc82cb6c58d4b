"""Catching up: subscribers that stand at the same place in the same logs are served together.

One reading of the log and one joined payload serve a whole group, so that ten thousand clients
that come back after a deploy cost a few readings and one write each.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING
from typing import NamedTuple

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from . import frames
from . import metrics
from .broker import RETENTION_MS
from .broker import Message
from .broker import Reading
from .channel import Channel
from .cursor import NOWHERE
from .cursor import Cursor
from .group import Group
from .scheduling import yield_to_loop
from .subscriber import Burst
from .subscriber import Ephemeral
from .subscriber import State
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .hub import Hub

RETRY_DELAY = 0.5  # s until a failed reading is tried again
SUBSCRIBERS_PER_TURN = 50  # served before others get a turn: a few milliseconds

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """Where in which logs: subscribers that stand there are read for together."""

    account_id: int
    channels: tuple[Channel, ...]
    cursor: Cursor | None


class Replay:
    WORKERS = 4  # groups whose readings may be under way at once

    def __init__(self, hub: Hub):
        self._hub = hub
        self._groups: dict[Place, list[Subscriber]] = {}
        self._order: deque[Place] = deque()
        self._being_read: set[Place] = set()
        self._taken: set[Subscriber] = set()  # waiting in a group, or being served
        self._work = Event()

    def add(self, subscriber: Subscriber) -> None:
        """Has a subscriber served, unless it is about to be: then whoever serves it looks again."""
        if subscriber in self._taken:
            return
        self._taken.add(subscriber)
        place = Place(subscriber.subscription.account_id, subscriber.topics, subscriber.cursor)
        if place not in self._groups:
            self._groups[place] = []
            if place not in self._being_read:
                self._queue(place)
        self._groups[place].append(subscriber)

    def _queue(self, place: Place) -> None:
        self._order.append(place)
        self._work.set()

    def run(self) -> None:
        while True:
            self._work.wait()
            if not self._order:
                self._work.clear()
                continue
            place = self._order.popleft()
            group = self._groups.pop(place)
            self._being_read.add(place)  # whoever comes here meanwhile waits, and shares the next
            try:
                self._serve(place, group)
            except (RedisError, OSError) as error:
                logger.warning("Reading the log failed (%s); trying again", error)
                gevent.sleep(RETRY_DELAY)
            finally:
                self._being_read.discard(place)
                if place in self._groups:
                    self._queue(place)
                for subscriber in group:
                    self._release(subscriber)
            yield_to_loop()

    def _release(self, subscriber: Subscriber) -> None:
        self._taken.discard(subscriber)
        if subscriber.state is State.CATCHING_UP:
            self._hub.catch_up(subscriber)

    def _serve(self, place: Place, group: list[Subscriber]) -> None:
        self._hub.leases.arrive(group)  # so that whoever asks who is there is there
        served = Serving(self._hub, place, snapshot=any(s.missed() is None for s in group))
        for number, subscriber in enumerate(group, start=1):
            if self._may_be_served(subscriber, place):
                format = subscriber.subscription.format
                burst = served.burst(format) if served.messages else None
                if self._begin(subscriber, served) and (
                    burst is None or self._hub.send(subscriber, burst)
                ):
                    self._finish(subscriber, served)
            if number % SUBSCRIBERS_PER_TURN == 0:
                yield_to_loop()
        if served.messages and any(channel.observed for channel in place.channels):
            self._hub.observer.heard(group, served.messages)

    def _may_be_served(self, subscriber: Subscriber, place: Place) -> bool:
        """Whether it is still as it was when the reading began: others had their turns since."""
        return (
            subscriber.state is State.CATCHING_UP
            and subscriber.topics == place.channels
            and subscriber.cursor == place.cursor
            and subscriber not in self._hub.sockets.stalled
        )

    def _begin(self, subscriber: Subscriber, served: Serving) -> bool:
        """Says where the stream continues from, where that is not known to the client."""
        control = b""
        if not subscriber.opened:
            resumed = subscriber.cursor is not None and not served.lost
            # Before a reset it is the asked one again: cut between the two, a client must not come
            # back with a cursor that hides what was lost.
            at = subscriber.cursor if served.lost and subscriber.cursor else served.start
            control += frames.opened(subscriber.subscription.streams, resumed, at)
            subscriber.opened = True
        if served.lost:
            metrics.RESETS.labels(served.lost).inc()
            control += frames.reset(served.lost, served.start)
            subscriber.told = -1  # whoever begins anew is told everything
        subscriber.cursor = served.start
        return not control or self._hub.push(subscriber, control)

    def _finish(self, subscriber: Subscriber, served: Serving) -> None:
        if not (served.lost or served.reading.complete):
            return
        # All that its topics held up to there has been written to it.
        subscriber.cursor = max(subscriber.cursor or NOWHERE, served.reading.position)
        # What was published while the pub/sub connection was lost, nobody has heard: then only
        # a reading that began afterwards is up to date.
        if served.connection == self._hub.listening.lost and self._inform(subscriber, served):
            self._hub.go_live(subscriber)

    def _inform(self, subscriber: Subscriber, served: Serving) -> bool:
        """Tells it of the ephemeral state. Returns whether the stream has taken it whole."""
        missed = subscriber.missed()
        if missed is None and served.has_snapshot:
            # Whether sent or kept as its rest: it will have it.
            subscriber.told = served.said
            snapshot = served.snapshot(subscriber.subscription.format)
            if snapshot and not self._hub.push(subscriber, snapshot):
                return False
            missed = subscriber.missed()
        if missed is None:
            return False  # it is released, and read for again
        burst = self._hub.delivery.burst(missed, subscriber.subscription.format)
        return not burst.payload or self._hub.send(subscriber, burst)


class Serving:
    """What one reading has for all subscribers at a place, encoded once per format."""

    def __init__(self, hub: Hub, place: Place, snapshot: bool):
        account_id, channels, cursor = place
        self._hub = hub
        # What changes between a snapshot and Redis telling us of the topic, nobody would hear.
        self.has_snapshot = snapshot and all(channel.confirmed for channel in channels)
        self.connection, self.said = hub.listening.lost, hub.delivery.said
        names = [channel.topic.name for channel in channels] if cursor else []
        groups = [
            (channel.topic, Group(kind, channel.topic.name))
            for channel in (channels if self.has_snapshot else ())
            for kind in hub.announcer.kinds(channel.topic)
        ]
        self.reading = hub.broker.read(
            account_id, names, cursor or NOWHERE, [group for _, group in groups]
        )
        self.lost = why_lost(cursor, self.reading) if cursor else None
        self.start = self.reading.position if self.lost or cursor is None else cursor
        self.messages = [] if self.lost else since_reset(self.reading.merged())
        self._state: list[Ephemeral] = []
        for (topic, group), state in zip(groups, self.reading.snapshots, strict=True):
            hub.leases.heard(account_id, group, state.next_expiry_ms)
            self._state += hub.announcer.snapshot(topic, group.kind, state)
        self._bursts: dict[str, Burst] = {}
        self._snapshots: dict[str, bytes] = {}

    def burst(self, format: str) -> Burst:
        if format not in self._bursts:
            self._bursts[format] = self._hub.delivery.burst(
                [(m.cursor, m) for m in self.messages], format
            )
        return self._bursts[format]

    def snapshot(self, format: str) -> bytes:
        if format not in self._snapshots:
            self._snapshots[format] = b"".join(
                self._hub.frames.ephemeral(event, format) for event in self._state
            )
        return self._snapshots[format]


def since_reset(messages: list[Message]) -> list[Message]:
    """Without what came before a reset, after which the client fetches again anyway: it may be of
    what they were not to see until the reset told them of other rights."""
    resets = [n for n, message in enumerate(messages) if message.event == frames.RESET]
    return messages[resets[-1] :] if resets else messages


def why_lost(cursor: Cursor, reading: Reading) -> str | None:
    """The reason for which `reading` is not provably all that followed `cursor`, or None.

    A log forgets from its oldest end. Each message names the one before it in its topic, so the
    first one after the cursor proves that nothing was trimmed in between; no message at all proves
    it too as long as the cursor is younger than the retention, because the newest entry of a log
    outlives that, unless Redis has evicted it: then the reading is not whole.
    """
    if cursor.epoch != reading.position.epoch:
        return "unknown_cursor"
    if cursor.ms > reading.now_ms and cursor > reading.position:
        return "unknown_cursor"  # of a future that this log never had
    if reading.now_ms - cursor.ms > RETENTION_MS:
        return "history_lost"
    if not reading.whole:
        return "history_lost"
    if any(topic and topic[0].previous > cursor[1:] for topic in reading.topics):
        return "history_lost"
    return None
