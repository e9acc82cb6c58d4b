"""Catching up: subscribers that stand at the same place in the same logs are served together.

One reading of the log and one joined payload serve a whole group, so that ten thousand clients
that come back after a deploy cost a few readings and one write each.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from . import frames
from . import metrics
from .broker import RETENTION_MS
from .broker import Reading
from .cursor import NOWHERE
from .cursor import Cursor
from .subscriber import Burst
from .subscriber import Channel
from .subscriber import State
from .subscriber import Subscriber
from .turns import give_way

if TYPE_CHECKING:
    from .hub import Hub

RETRY_DELAY = 0.5  # s until a failed reading is tried again
SUBSCRIBERS_PER_TURN = 50  # served before others get a turn: a few milliseconds

logger = logging.getLogger(__name__)

# Where in which logs: a group is read for together.
Place = tuple[int, tuple[Channel, ...], Cursor | None]


class Replay:
    WORKERS = 4  # groups whose readings may be under way at once

    def __init__(self, hub: Hub):
        self._hub = hub
        self._groups: dict[Place, list[Subscriber]] = {}
        self._order: deque[Place] = deque()
        self._taken: set[Subscriber] = set()  # waiting in a group, or being served
        self._work = Event()

    def add(self, subscriber: Subscriber) -> None:
        """Has a subscriber served, unless it is about to be: then whoever serves it looks again."""
        if subscriber in self._taken:
            return
        self._taken.add(subscriber)
        place = (subscriber.subscription.account_id, subscriber.topics, subscriber.cursor)
        if place not in self._groups:
            self._groups[place] = []
            self._order.append(place)
        self._groups[place].append(subscriber)
        self._work.set()

    def run(self) -> None:
        while True:
            self._work.wait()
            if not self._order:
                self._work.clear()
                continue
            place = self._order.popleft()
            group = self._groups.pop(place)
            try:
                self._serve(place, group)
            except (RedisError, OSError) as error:
                logger.warning("Reading the log failed (%s); trying again", error)
                gevent.sleep(RETRY_DELAY)
            finally:
                for subscriber in group:
                    self._release(subscriber)
            give_way()

    def _release(self, subscriber: Subscriber) -> None:
        self._taken.discard(subscriber)
        if subscriber.state is State.CATCHING_UP:
            self._hub.catch_up(subscriber)

    def _serve(self, place: Place, group: list[Subscriber]) -> None:
        account_id, channels, cursor = place
        names = [channel.topic.name for channel in channels] if cursor else []
        connection = self._hub.connections
        reading = self._hub.broker.read(account_id, names, cursor or NOWHERE)
        lost = why_lost(cursor, reading) if cursor else None
        start = reading.position if lost or cursor is None else cursor
        messages = [] if lost else reading.merged()
        bursts: dict[str, Burst] = {}
        for served, subscriber in enumerate(group, start=1):
            if self._may_be_served(subscriber, channels):
                format = subscriber.subscription.format
                if messages and format not in bursts:
                    bursts[format] = Burst([self._hub.frames.message(m, format) for m in messages])
                begun = self._begin(subscriber, start, lost)
                if begun and (not messages or self._hub.send(subscriber, bursts[format])):
                    self._finish(subscriber, reading, bool(lost), connection)
            if served % SUBSCRIBERS_PER_TURN == 0:
                give_way()

    def _may_be_served(self, subscriber: Subscriber, channels: tuple[Channel, ...]) -> bool:
        """Whether it is still as it was when the reading began: others had their turns since."""
        return (
            subscriber.state is State.CATCHING_UP
            and subscriber.topics == channels
            and subscriber not in self._hub.stalled
        )

    def _begin(self, subscriber: Subscriber, start: Cursor, lost: str | None) -> bool:
        """Says where the stream continues from, where that is not known to the client."""
        control = b""
        if not subscriber.opened:
            resumed = subscriber.cursor is not None and not lost
            control += frames.opened(subscriber.subscription.streams, resumed, start)
            subscriber.opened = True
        if lost:
            metrics.RESETS.labels(lost).inc()
            control += frames.reset(lost, start)
        subscriber.cursor = start
        return not control or self._hub.push(subscriber, control)

    def _finish(
        self, subscriber: Subscriber, reading: Reading, lost: bool, connection: int
    ) -> None:
        if lost or reading.complete:
            # All that its topics held up to there has been written to it.
            subscriber.cursor = max(subscriber.cursor or NOWHERE, reading.position)
            # What was published while the pub/sub connection was lost, nobody has heard: then only
            # a reading that began afterwards is up to date.
            if connection == self._hub.connections:
                self._hub.go_live(subscriber)


def why_lost(cursor: Cursor, reading: Reading) -> str | None:
    """The reason for which `reading` is not provably all that followed `cursor`, or None.

    A log forgets from its oldest end. Each message names the one before it in its topic, so the
    first one after the cursor proves that nothing was trimmed in between; no message at all proves
    it too as long as the cursor is younger than the retention, because the newest entry of a log
    outlives that.
    """
    if cursor.epoch != reading.position.epoch:
        return "unknown_cursor"
    if cursor.ms > reading.now_ms and cursor > reading.position:
        return "unknown_cursor"  # of a future that this log never had
    if reading.now_ms - cursor.ms > RETENTION_MS:
        return "history_lost"
    if any(topic and topic[0].previous > cursor[1:] for topic in reading.topics):
        return "history_lost"
    return None
