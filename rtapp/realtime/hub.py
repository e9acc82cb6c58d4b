"""All open streams of the process, from the socket that is handed over to its end.

What Redis says (listening.py) is written straight to the sockets of those who are live
(delivery.py). Whoever can't take it, and everyone after anything doubtful (a gap, a lost
connection), catches up from the log (replay.py).
"""

import random
import time
from collections import Counter
from typing import Any

import gevent

from . import frames
from . import metrics
from .announcer import Announcer
from .broker import Broker
from .broker import Topic
from .delivery import Delivery
from .heartbeat import Heartbeat
from .leases import Leases
from .listening import Listening
from .observer import Observer
from .replay import Replay
from .revocation import Authorise
from .revocation import Revocation
from .sockets import Sockets
from .subscriber import Burst
from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription
from .topics import Topics

DRAIN_PAUSE = 0.01  # s between two streams closed at the end
DRAIN_LIMIT = 20.0  # s that it takes at most, with however many streams
LIFETIME = (30 * 60, 60 * 60)  # s until a stream is asked to reconnect, spread


class Hub:
    def __init__(
        self,
        broker: Broker,
        render: frames.Render,
        authorise: Authorise,
        announcer: Announcer | None = None,
        observer: Observer | None = None,
    ):
        self.broker = broker
        self.announcer = announcer or Announcer()
        self.observer = observer or Observer()
        self.frames = frames.Frames(render)
        self.users: Counter[int | None] = Counter()
        self.addresses: Counter[str] = Counter()
        self.draining = False
        self.sockets = Sockets(self)
        self.topics = Topics(self)
        self.channels = self.topics.channels
        self.leases = Leases(self)
        self.delivery = Delivery(self)
        self._revocation = Revocation(self, authorise)
        self.listening = Listening(self, self._revocation.recheck_these)
        self._replay = Replay(self)
        self._heartbeat = Heartbeat(self)
        self._greenlets: list[gevent.Greenlet[..., None]] = []

    def start(self) -> None:
        """Begins to listen, in greenlets of the calling thread's loop. Again: does nothing."""
        if not self._greenlets:
            self.sockets.start()
            self._greenlets = [
                gevent.spawn(self.listening.run),
                gevent.spawn(self._heartbeat.run),
                gevent.spawn(self._revocation.run),
                gevent.spawn(self.leases.run),
                gevent.spawn(self.observer.run, self),
                *(gevent.spawn(self._replay.run) for _ in range(Replay.WORKERS)),
            ]

    def drain(self) -> None:
        """Asks everyone to reconnect elsewhere, spread over time so that not all come at once."""
        self.draining = True
        self.leases.renew()  # they outlive the restart
        while streams := self.subscribers():
            due, pause = time.monotonic(), min(DRAIN_PAUSE, DRAIN_LIMIT / len(streams))
            for subscriber in streams:
                self.close(subscriber, "shutdown")
                due += pause
                gevent.sleep(max(0, due - time.monotonic()))

    def stop(self) -> None:
        """Closes every stream and ends what `start` began."""
        for subscriber in self.subscribers():
            self.close(subscriber, "shutdown")
        self._revocation.stop()
        gevent.killall(self._greenlets)
        self._greenlets = []
        self.listening.end()
        self.sockets.stop()

    def subscribers(self) -> list[Subscriber]:
        return self.sockets.subscribers()

    def __len__(self) -> int:
        """How many streams are open."""
        return len(self.sockets)

    def barrier(self, timeout: float) -> bool:
        """Returns True once everything published before this call has been dispatched, False if
        that can't be known within `timeout` seconds."""
        return self.listening.barrier(timeout)

    # A stream's life

    def open(self, fd: int, subscription: Subscription, head: bytes = b"") -> Subscriber:
        """Takes over the non-blocking socket `fd`. `head` is what the response begins with.

        The stream is answered at once, whether Redis is there or not; it opens with
        `stream.open` as soon as its position is known.
        """
        subscriber = Subscriber(fd, subscription, time.monotonic() + random.uniform(*LIFETIME))
        self.sockets.add(subscriber)
        self.users[subscription.user_id] += 1
        self.addresses[subscription.address] += 1
        metrics.OPEN_STREAMS.inc()
        self.topics.join(subscriber, subscription.topics)
        self._heartbeat.add(subscriber)
        self.push(subscriber, head + frames.retry())
        self.catch_up(subscriber)
        return subscriber

    def catch_up(self, subscriber: Subscriber) -> None:
        """Has a subscriber read the log from its cursor, once all its topics are listened to."""
        if subscriber.state is State.CLOSED:
            return
        if subscriber.state is State.LIVE:
            metrics.CATCH_UPS.inc()
        subscriber.state = State.CATCHING_UP
        if subscriber not in self.sockets.stalled and all(c.confirmed for c in subscriber.topics):
            self._replay.add(subscriber)

    def go_live(self, subscriber: Subscriber) -> bool:
        """To be called when the subscriber has read everything up to its cursor.

        Returns False if more was heard meanwhile. No switch happens between the comparison and
        the change of state, so nothing can fall in between.
        """
        cursor = subscriber.cursor
        assert cursor is not None
        for channel in subscriber.topics:
            if not channel.confirmed:
                return False
            if channel.position is None:
                continue
            if channel.position.epoch != cursor.epoch:
                # One of the two is of a lost epoch: everyone's next reading tells. Nobody may stay
                # live, because what is heard without a position is taken to follow.
                channel.position = None
                self.topics.catch_up(channel)
                return False
            if channel.position > cursor:
                return False
        for channel in subscriber.topics:
            if channel.position is None:
                channel.position = cursor
        subscriber.state = State.LIVE
        if any(channel.observed for channel in subscriber.topics):
            self.observer.went_live(subscriber)
        return True

    def push(self, subscriber: Subscriber, control: bytes) -> bool:
        """Writes control frames. Returns whether the stream is open and has taken them whole."""
        try:
            whole = subscriber.push(control)
        except OSError:
            self.close(subscriber, "gone")
            return False
        if not whole:
            self.sockets.stall(subscriber)
        return whole

    def send(self, subscriber: Subscriber, burst: Burst) -> bool:
        """Writes events. Returns whether the stream is open and has taken them whole."""
        try:
            whole = subscriber.send(burst)
        except OSError:
            self.close(subscriber, "gone")
            return False
        if not whole:
            self.sockets.stall(subscriber)
        return whole

    def change(self, subscriber: Subscriber, allowed: Subscription) -> None:
        """Goes on with what is allowed now.

        With other topics, an open stream is told to fetch again: no event tells of what a new one
        held before, nor takes back what was still heard on a lost one after the change.
        """
        if subscriber.state is State.CLOSED:
            return
        if allowed.leases != subscriber.subscription.leases:
            self.leases.change(subscriber, allowed.leases)
        if allowed.topics != subscriber.heard_topics():
            self._change_topics(subscriber, allowed.topics)

    def _change_topics(self, subscriber: Subscriber, topics: tuple[Topic, ...]) -> None:
        gains = not set(topics).issubset(subscriber.heard_topics())
        self.topics.join(subscriber, topics)
        subscriber.told = -1
        if subscriber.opened and subscriber.cursor is not None:
            if gains:
                # It begins anew, with a reset at the position that is read: what a new topic's log
                # has from before may be of what they were not to see.
                subscriber.cursor = subscriber.cursor._replace(ms=0, n=0)
            else:
                self.push(subscriber, frames.reset("history_lost", subscriber.cursor))
        self.catch_up(subscriber)

    def close(self, subscriber: Subscriber, reason: str) -> None:
        """Ends a stream for one of the reasons in CLOSINGS, telling it why if it can hear."""
        if subscriber.state is State.CLOSED:
            return
        if reason != "gone" and not subscriber.rest:
            try:
                subscriber.push(frames.closed(reason))
            except OSError:
                pass
        self.sockets.discard(subscriber)
        self._heartbeat.discard(subscriber)
        self.leases.leave(subscriber, reason)
        self.topics.part(subscriber)
        self._forget(self.users, subscriber.subscription.user_id)
        self._forget(self.addresses, subscriber.subscription.address)
        subscriber.close()
        metrics.OPEN_STREAMS.dec()
        metrics.CLOSED.labels(reason).inc()

    @staticmethod
    def _forget(counter: Counter[Any], key: object) -> None:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]
