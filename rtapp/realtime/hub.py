"""The registry of open streams: each from the socket that is handed over to its end.

The hub opens, writes and closes streams, and changes their state. It starts no greenlet: messages
come from the fan-out, readings of the log from the replay, pings from the heartbeat.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from functools import partial

from gevent.event import Event

from . import frames
from . import metrics
from .burst import NOTHING
from .burst import Burst
from .burst import control
from .catch_up_queue import CatchUpQueue
from .channel import Channel
from .channel import Readiness
from .incidents import Incident
from .incidents import Incidents
from .leases import Leases
from .sockets import Sockets
from .stream_counts import Reservation
from .stream_counts import StreamCounts
from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription
from .topics import Topics

LIFETIME = (30 * 60, 60 * 60)  # s until a stream is asked to reconnect, spread
SHARES = frames.HEARTBEAT  # parts of the streams, of which the heartbeat pings one a second
SWEEPS = 60  # parts of the streams, of which a sweep authorises one after another


class Hub:
    def __init__(
        self,
        sockets: Sockets,
        topics: Topics,
        leases: Leases,
        queue: CatchUpQueue,
        incidents: Incidents,
        counts: StreamCounts,
    ):
        self._sockets = sockets
        self._topics = topics
        self._leases = leases
        self._queue = queue
        self._incidents = incidents
        self._counts = counts
        self._shares: list[set[Subscriber]] = [set() for _ in range(SHARES)]
        self._by_credential: list[set[Subscriber]] = [set() for _ in range(SWEEPS)]
        self.pending: set[Subscriber] = set()  # to be authorised before they receive more
        self._pending_added = Event()
        # Streams of long polling, and when (monotonic) they end. Those that have been served end
        # soon.
        self.waiting: dict[Subscriber, float] = {}
        self.served: set[Subscriber] = set()
        self._served_added = Event()

    def start(self) -> None:
        """Watch the sockets, in the calling thread's event loop."""
        self._sockets.start(on_gone=partial(self.close, reason="gone"), on_drained=self.catch_up)

    def subscribers(self) -> list[Subscriber]:
        return self._sockets.subscribers()

    def share(self, number: int) -> set[Subscriber]:
        """Return part `number` of the open streams, of SHARES."""
        return self._shares[number]

    def by_credential(self, number: int) -> set[Subscriber]:
        """Return part `number` of the open streams, of SWEEPS: those of a credential are in one."""
        return self._by_credential[number]

    def blocked(self) -> list[tuple[Subscriber, float]]:
        """Return the streams with unsent bytes, and since when (monotonic) none was taken."""
        return list(self._sockets.blocked.items())

    def wait_for_pending(self) -> set[Subscriber]:
        """Wait until a stream is added to `pending`. Return that."""
        self._pending_added.wait()
        self._pending_added.clear()
        return self.pending

    def wait_for_served(self, timeout: float) -> None:
        """Wait until a stream of long polling is in `served`, for at most `timeout` seconds."""
        self._served_added.wait(timeout)
        self._served_added.clear()

    def is_blocked(self, subscriber: Subscriber) -> bool:
        return subscriber in self._sockets.blocked

    def __len__(self) -> int:
        """The number of open streams."""
        return len(self._sockets)

    # A stream's life

    def open(
        self,
        fd: int,
        subscription: Subscription,
        head: bytes = b"",
        chunked: bool = False,
        reservation: Reservation | None = None,
    ) -> Subscriber:
        """Take over the non-blocking socket `fd`. `head` is the beginning of the response, whose
        body is in chunks if `chunked`. The stream is counted by its `reservation`, if it has one.

        The head is written at once, whether Redis and the database are there or not. `stream.open`
        follows when the stream is authorised and its position has been read.
        """
        expires = time.monotonic() + random.uniform(*LIFETIME)
        subscriber = Subscriber(fd, subscription, expires, head, chunked)
        self._sockets.add(subscriber)
        if reservation is None:
            self._counts.count(subscription)
        else:
            reservation.keep()
        metrics.OPEN_STREAMS.inc()
        self._shares[fd % SHARES].add(subscriber)
        self._by_credential[hash(subscription.credential) % SWEEPS].add(subscriber)
        if subscription.wait:
            self.waiting[subscriber] = time.monotonic() + subscription.wait
        if subscriber.state is State.PENDING:
            self._add_pending(subscriber)
        self._topics.join(subscriber)
        self.push(subscriber, NOTHING)  # the head alone
        self.catch_up(subscriber)
        return subscriber

    def suspend(self, subscriber: Subscriber) -> None:
        """Have a subscriber that catches up receive nothing more until it is authorised again."""
        subscriber.suspend()
        self._add_pending(subscriber)

    def _add_pending(self, subscriber: Subscriber) -> None:
        self.pending.add(subscriber)
        self._pending_added.set()

    def catch_up(self, subscriber: Subscriber) -> None:
        """Have a subscriber read the log from its cursor, once its topics are subscribed to."""
        if subscriber.state in (State.PENDING, State.CLOSED):
            return
        if subscriber.state is State.LIVE:
            metrics.CATCH_UPS.inc()
        subscriber.begin_catch_up()
        if not self.is_blocked(subscriber) and self._topics.subscribed(subscriber.topics):
            self._queue.put(subscriber)

    def catch_up_all(self, *channels: Channel) -> None:
        """Have the subscribers of these channels catch up."""
        for subscriber in {s: None for channel in channels for s in channel.subscribers}:
            self.catch_up(subscriber)

    def go_live(self, subscriber: Subscriber) -> bool:
        """Make a subscriber live that has read everything up to its cursor.

        Returns False if newer messages have been received. No switch happens between the
        comparison and the change of state, so no message falls in between.
        """
        cursor = subscriber.cursor
        assert cursor is not None
        channels = list(self._topics.of(subscriber.topics))
        for channel in channels:
            readiness = channel.readiness(cursor)
            if readiness is Readiness.OTHER_EPOCH:
                # The next reading determines the current epoch. Until then no subscriber may be
                # live, because without a position the channel accepts any message as NEXT.
                channel.drop_position()
                self.catch_up_all(channel)
            if readiness is not Readiness.READY:
                return False
        for channel in channels:
            channel.went_live(cursor)
        subscriber.go_live()
        return True

    def push(self, subscriber: Subscriber, burst: Burst) -> bool:
        """Write control frames. Return whether the stream is open and has taken them all."""
        try:
            complete = subscriber.push(burst)
        except OSError:
            self.close(subscriber, "gone")
            return False
        return complete or self._blocked(subscriber)

    def send(self, subscriber: Subscriber, burst: Burst) -> bool:
        """Write frames with positions. Return whether the stream is open and has taken them all."""
        try:
            complete = subscriber.send(burst)
        except OSError:
            self.close(subscriber, "gone")
            return False
        return complete or self._blocked(subscriber)

    def deliver(self, subscriber: Subscriber, burst: Burst) -> bool:
        """`send` events: what a stream of long polling waits for."""
        if self.waiting:
            self.end_soon(subscriber)
        return self.send(subscriber, burst)

    def end_soon(self, subscriber: Subscriber) -> None:
        """End the stream after what follows at once, if it is one of long polling."""
        if subscriber in self.waiting:
            self.served.add(subscriber)
            self._served_added.set()

    def _blocked(self, subscriber: Subscriber) -> bool:
        """The socket has not taken all: the stream catches up once there is room."""
        self._sockets.block(subscriber)
        self.catch_up(subscriber)
        return False

    def change(self, subscriber: Subscriber, allowed: Subscription) -> None:
        """Go on with the topics and leases that are allowed now.

        With other topics, an open stream is reset: events describe neither the past of a new topic
        nor a retraction on a removed one. It is not if it was suspended, because it has been reset,
        nor if `allowed` is not `authorised`, because a reset is about to be published.
        """
        if subscriber.state is State.CLOSED:
            return
        if allowed.leases != subscriber.subscription.leases:
            self._leases.change(subscriber, allowed.leases)
        if subscriber.state is State.PENDING:
            self._admit(subscriber, allowed)
        elif allowed.topics != subscriber.topics:
            self._change_topics(subscriber, allowed)

    def _admit(self, subscriber: Subscriber, allowed: Subscription) -> None:
        self.pending.discard(subscriber)
        self._topics.part(subscriber)
        subscriber.admit(allowed)
        self._topics.join(subscriber)
        self.catch_up(subscriber)

    def _change_topics(self, subscriber: Subscriber, allowed: Subscription) -> None:
        gains = not set(allowed.topics).issubset(subscriber.topics)
        self._topics.part(subscriber)
        subscriber.change_topics(allowed.topics)
        self._topics.join(subscriber)
        subscriber.require_snapshot()
        if allowed.authorised and subscriber.opened and subscriber.cursor is not None:
            if gains:
                # The stream begins again with a reset at the position that is read: the log of a
                # new topic may hold earlier events that the principal was not allowed to see.
                subscriber.rewind()
            else:
                self.end_soon(subscriber)
                self.note_reset(subscriber, "rights_changed")
                reset = frames.reset("history_lost", subscriber.cursor)
                self.push(subscriber, control(reset))
        self.catch_up(subscriber)

    def note_reset(self, subscriber: Subscriber, reason: str) -> None:
        """Keep a reset of the stream for administrators, for a reason of incidents.py."""
        names = tuple(topic.name for topic in subscriber.topics)
        account_id = subscriber.subscription.account_id
        self._incidents.note(Incident(time.time(), "reset", account_id, names, reason, 1))

    def close(self, subscriber: Subscriber, reason: str) -> None:
        """End a stream for a reason of frames.CLOSINGS, and send the reason if possible."""
        if subscriber.state is State.CLOSED:
            return
        if reason != "gone" and not subscriber.unsent:
            try:
                subscriber.finish(control(frames.closed(reason)))
            except OSError:
                pass
        self._sockets.remove(subscriber)
        self._shares[subscriber.fd % SHARES].discard(subscriber)
        credential = subscriber.subscription.credential
        self._by_credential[hash(credential) % SWEEPS].discard(subscriber)
        self.pending.discard(subscriber)
        self.waiting.pop(subscriber, None)
        self.served.discard(subscriber)
        self._leases.release(subscriber, reason, self._siblings(subscriber))
        self._topics.part(subscriber)
        self._counts.release(subscriber.subscription)
        subscriber.close()
        metrics.OPEN_STREAMS.dec()
        metrics.CLOSED.labels(reason).inc()

    def _siblings(self, subscriber: Subscriber) -> Iterator[Subscriber]:
        """The other streams with one of its topics."""
        for channel in self._topics.of(subscriber.topics):
            for other in channel.subscribers:
                if other is not subscriber:
                    yield other
