"""Catching up: subscribers at the same position in the same logs are served together.

One reading of the log and one joined payload serve a whole group, so that ten thousand clients that
reconnect after a deploy cost a few readings and one write each.
"""

from __future__ import annotations

import logging
import time

from gevent.event import Event
from gevent.pool import Group as Greenlets

from . import frames
from . import metrics
from .announcer import Announcer
from .backoff import Backoff
from .broker import RETENTION_MS
from .broker import Broker
from .broker import Reading
from .burst import Burst
from .burst import Ephemeral
from .burst import control
from .catch_up_queue import CatchUpKey
from .catch_up_queue import CatchUpQueue
from .catch_up_queue import Taken
from .cursor import NOWHERE
from .cursor import Cursor
from .frames import Frames
from .group import Group
from .hub import Hub
from .leases import Leases
from .markers import Markers
from .observer import Observer
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .topics import Topics

RETRY_DELAY = (0.5, 2.0)  # s until a failed reading is tried again: the first, the longest
MARKER_TIMEOUT = 5.0  # s until a marker counts as lost, and its snapshot is read again
SUBSCRIBERS_PER_TURN = 50  # served before others get a turn: a few milliseconds

logger = logging.getLogger(__name__)


class Replay:
    """`run` takes groups from the queue, and serves each in a greenlet of its own. `ready` is set
    when the queue may have one."""

    def __init__(
        self,
        broker: Broker,
        hub: Hub,
        topics: Topics,
        markers: Markers,
        leases: Leases,
        frames: Frames,
        announcer: Announcer,
        observer: Observer,
        queue: CatchUpQueue,
        ready: Event,
    ):
        self._broker = broker
        self._hub = hub
        self._topics = topics
        self._markers = markers
        self._leases = leases
        self._frames = frames
        self._announcer = announcer
        self._observer = observer
        self._queue = queue
        self._ready = ready
        self._backoffs: dict[str, Backoff] = {}  # by shard
        self._serving = Greenlets()

    def run(self) -> None:
        while True:
            self._ready.wait()
            taken = self._queue.take()
            if taken is None:
                self._ready.clear()
            else:
                self._serving.spawn(self._serve_taken, taken)

    def stop(self) -> None:
        self._serving.kill()

    def _serve_taken(self, taken: Taken) -> None:
        try:
            self._serve(taken.key, taken.subscribers)
            self._backoff(taken.shard).succeeded()
        except Exception as error:
            self._backoff(taken.shard).wait(error)
        finally:
            self._queue.done(taken)
            for subscriber in taken.subscribers:
                if subscriber.state is State.CATCHING_UP:
                    self._hub.catch_up(subscriber)

    def _backoff(self, shard: str) -> Backoff:
        if shard not in self._backoffs:
            self._backoffs[shard] = Backoff(logger, "Streams can't read the log", *RETRY_DELAY)
        return self._backoffs[shard]

    def _serve(self, key: CatchUpKey, group: list[Subscriber]) -> None:
        self._leases.acquire(group)  # first: the snapshot has the group's own leases
        snapshot = any(self._topics.missed(subscriber) is None for subscriber in group)
        batch = self._read(key, snapshot)
        for number, subscriber in enumerate(group, start=1):
            if self._is_unchanged(subscriber, key):
                format = subscriber.subscription.format
                burst = batch.burst(format) if batch.messages else None
                if self._open(subscriber, batch) and (
                    burst is None or self._hub.deliver(subscriber, burst)
                ):
                    self._advance(subscriber, batch)
            if number % SUBSCRIBERS_PER_TURN == 0:
                yield_to_loop()
        if batch.messages and self._topics.observed(key.topics):
            self._observer.delivered(group, batch.messages)

    def _read(self, key: CatchUpKey, snapshot: bool) -> CatchUpBatch:
        # A change between the snapshot and the subscription in Redis would be missed.
        snapshot = snapshot and self._topics.subscribed(key.topics)
        generation = self._topics.generation_of(key.topics)
        groups = [
            (topic, Group(kind, topic.name))
            for topic in (key.topics if snapshot else ())
            for kind in self._announcer.kinds(topic)
        ]
        with self._markers.expected(key.account_id) as marker:
            reading = self._broker.read(
                key.account_id,
                [topic.name for topic in key.topics] if key.cursor else [],
                key.cursor or NOWHERE,
                [group for _, group in groups],
                marker if groups else None,
            )
            seq = marker.wait(MARKER_TIMEOUT) if groups else self._topics.ephemeral_seq
        state: list[Ephemeral] = []
        for (topic, group), members in zip(groups, reading.snapshots, strict=True):
            self._leases.schedule_expiry(key.account_id, group, members.next_expiry_ms)
            state += self._announcer.snapshot(topic, group.kind, members)
        seq = seq if snapshot else None
        return CatchUpBatch(self._frames, key.cursor, reading, state, generation, seq)

    def _is_unchanged(self, subscriber: Subscriber, key: CatchUpKey) -> bool:
        """Whether it is still as it was when the reading began: others have had turns since."""
        return (
            subscriber.state is State.CATCHING_UP
            and CatchUpKey.of(subscriber) == key
            and not self._hub.is_blocked(subscriber)
        )

    def _open(self, subscriber: Subscriber, batch: CatchUpBatch) -> bool:
        """Send where the stream continues, if the client does not have it. After a published reset,
        it continues there as soon as it is authorised again: rights may have changed."""
        controls: list[bytes] = []
        if not subscriber.opened:
            resumed = subscriber.cursor is not None and not batch.lost
            # Before a reset this is the client's own cursor again: a client that is cut between the
            # two must not reconnect with a cursor that hides the loss.
            at = subscriber.cursor if batch.lost and subscriber.cursor else batch.start
            end = self._hub.waiting.get(subscriber, subscriber.expires)
            left = end - time.monotonic()
            controls.append(frames.opened(subscriber.subscription.streams, resumed, at, left))
            subscriber.open()
        if batch.lost:
            metrics.RESETS.labels(batch.lost).inc()
            self._hub.note_reset(subscriber, batch.lost)
            controls.append(frames.reset(batch.lost, batch.start))
            subscriber.reset_to(batch.start)
            self._hub.end_soon(subscriber)
        elif batch.reset is not None:
            self._hub.note_reset(subscriber, "published")
            controls.append(frames.reset("history_lost", batch.reset))
            subscriber.reset_to(batch.reset)
            self._hub.suspend(subscriber)
            self._hub.end_soon(subscriber)
        else:
            subscriber.start_at(batch.start)
        return not controls or self._hub.push(subscriber, control(*controls))

    def _advance(self, subscriber: Subscriber, batch: CatchUpBatch) -> None:
        if batch.reset is not None or not (batch.lost or batch.reading.complete):
            return
        # It has all messages of its topics up to this position.
        subscriber.advance(batch.reading.position)
        # Messages that were published while the pub/sub connection was lost reached no process:
        # only a reading that began afterwards is current.
        current = batch.generation == self._topics.generation_of(subscriber.topics)
        if not (current and self._send_snapshot(subscriber, batch)):
            return
        if self._hub.go_live(subscriber) and self._topics.observed(subscriber.topics):
            self._observer.went_live(subscriber)

    def _send_snapshot(self, subscriber: Subscriber, batch: CatchUpBatch) -> bool:
        """Send the ephemeral state, or the ephemeral events that it missed. Return whether the
        stream has taken all of it."""
        missed = self._topics.missed(subscriber)
        if missed is None and batch.seq is not None:
            # Written, or kept as unsent bytes: the stream will have it.
            subscriber.snapshot_sent(batch.seq)
            snapshot = batch.snapshot(subscriber.subscription.format)
            if snapshot.payload and not self._hub.push(subscriber, snapshot):
                return False
            missed = self._topics.missed(subscriber)
        if missed is None:
            return False  # it is queued again, and read for again
        burst = self._frames.burst(missed, subscriber.subscription.format)
        return not burst.payload or self._hub.deliver(subscriber, burst)


class CatchUpBatch:
    """A reading's result for all subscribers of a group, encoded once per format.

    `state` is the ephemeral state with all events up to `seq`; without a `seq` it was not read.
    `generation` is that of the pub/sub connection when the reading began. `reset` is the newest
    reset that was published. What precedes it is left out, because the client fetches again: it may
    be events that the principal was not allowed to receive before its rights changed.
    """

    def __init__(
        self,
        frames: Frames,
        cursor: Cursor | None,
        reading: Reading,
        state: list[Ephemeral],
        generation: int,
        seq: int | None,
    ):
        self._frames = frames
        self.reading = reading
        self.generation, self.seq = generation, seq
        self.lost = why_lost(cursor, reading) if cursor else None
        self.start = reading.position if self.lost or cursor is None else cursor
        self.reset = None if self.lost else newest_reset(reading)
        self.messages = [] if self.lost or self.reset else reading.merged()
        self._state = state
        self._bursts: dict[str, Burst] = {}
        self._snapshots: dict[str, Burst] = {}

    def burst(self, format: str) -> Burst:
        if format not in self._bursts:
            self._bursts[format] = self._frames.burst(
                [(message.cursor, message) for message in self.messages], format
            )
        return self._bursts[format]

    def snapshot(self, format: str) -> Burst:
        if format not in self._snapshots:
            self._snapshots[format] = self._frames.burst(
                [(None, event) for event in self._state], format
            )
        return self._snapshots[format]


def newest_reset(reading: Reading) -> Cursor | None:
    resets = (m.cursor for topic in reading.topics for m in topic if m.event == frames.RESET)
    return max(resets, default=None)


def why_lost(cursor: Cursor, reading: Reading) -> str | None:
    """Return the reason for which `reading` is not provably all that followed `cursor`, or None.

    A log is trimmed from its oldest end. Each message names the one before it in its topic, so the
    first one after the cursor proves that nothing was trimmed in between. No message at all proves
    it too as long as the cursor is younger than the retention, because the newest entry of a log
    outlives that, unless Redis has evicted it: then the reading is not intact.
    """
    if cursor.epoch != reading.position.epoch:
        return "unknown_cursor"
    if cursor.ms > reading.now_ms and cursor > reading.position:
        return "unknown_cursor"  # of a future that this log never had
    if reading.now_ms - cursor.ms > RETENTION_MS:
        return "history_lost"
    if not reading.intact:
        return "history_lost"
    if any(topic and topic[0].previous > cursor[1:] for topic in reading.topics):
        return "history_lost"
    return None
