"""Where messages from Redis meet the sockets. One per process.

A message arrives once on the process's one pub/sub connection, is encoded once per format, and is
written straight to every live subscriber's socket. Whoever can't take it, and everyone after
anything doubtful (a gap, a lost connection), catches up from the log: see replay.py.
"""

import logging
import os
import random
import selectors
import time
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import Any

import gevent
from gevent import monkey
from gevent.event import Event
from redis.exceptions import RedisError

from . import frames
from . import metrics
from .announcer import Announcer
from .broker import CONTROL
from .broker import Announcement
from .broker import Broker
from .broker import Listener
from .broker import Message
from .broker import Topic
from .broker import heard
from .group import Group
from .heartbeat import Heartbeat
from .leases import KINDS
from .leases import Leases
from .observer import Observer
from .replay import Replay
from .revocation import Authorise
from .revocation import Revocation
from .subscriber import Burst
from .subscriber import Channel
from .subscriber import Ephemeral
from .subscriber import Mark
from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription
from .turns import give_way

RECONNECT_DELAY = (0.05, 2.0)  # s: first, most; doubled at each failure
WRITES_PER_TURN = 500  # sockets written before others get a turn: about 5 ms
DRAIN_PAUSE = 0.01  # s between two streams closed at the end
DRAIN_LIMIT = 20.0  # s that it takes at most, with however many streams
LIFETIME = (30 * 60, 60 * 60)  # s until a stream is asked to reconnect, spread

# gevent replaces selectors.DefaultSelector with its own; the hub wants the kernel's, as one
# descriptor that gevent's loop watches.
# An event as it arrived, and what it moves a subscriber to.
Heard = tuple[Mark, Message | Ephemeral]

KernelSelector: Any = monkey.get_original("selectors", "DefaultSelector")

logger = logging.getLogger(__name__)


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
        self.channels: dict[bytes, Channel] = {}
        self.users: Counter[int | None] = Counter()
        self.addresses: Counter[str] = Counter()
        self.stalled: dict[Subscriber, float] = {}  # since when its socket has taken nothing
        self.idle: dict[Channel, float] = {}  # since when nobody has subscribed to it
        self._selector = KernelSelector()
        self._listener: Listener | None = None
        self._pongs: dict[bytes, Event] = {}
        self._replay = Replay(self)
        self._heartbeat = Heartbeat(self)
        self.leases = Leases(self)
        self._revocation = Revocation(self, authorise)
        self.draining = False
        self.connections = 0  # pub/sub connections lost so far
        self.said = 0  # ephemeral events heard so far: their numbers
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        self._watcher: Any = None

    def start(self) -> None:
        """Begins to listen, in greenlets of the calling thread's loop. Again: does nothing."""
        if not self._greenlets:
            loop = gevent.get_hub().loop
            self._watcher = loop.io(self._selector.fileno(), 1)
            self._watcher.start(self._sockets_ready)
            self._greenlets = [
                gevent.spawn(self._listen),
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
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        self._disconnected()
        self._selector.close()

    def subscribers(self) -> list[Subscriber]:
        return [key.data for key in self._selector.get_map().values()]

    def __len__(self) -> int:
        """How many streams are open."""
        return len(self._selector.get_map())

    # A stream's life

    def open(self, fd: int, subscription: Subscription, head: bytes = b"") -> Subscriber:
        """Takes over the non-blocking socket `fd`. `head` is what the response begins with.

        The stream is answered at once, whether Redis is there or not; it opens with
        `stream.open` as soon as its position is known.
        """
        subscriber = Subscriber(fd, subscription, time.monotonic() + random.uniform(*LIFETIME))
        self._selector.register(fd, selectors.EVENT_READ, subscriber)
        self.users[subscription.user_id] += 1
        self.addresses[subscription.address] += 1
        metrics.OPEN_STREAMS.inc()
        subscriber.topics = tuple(self._join(subscriber, topic) for topic in subscription.topics)
        self._heartbeat.add(subscriber)
        self.push(subscriber, head + frames.retry())
        self.catch_up(subscriber)
        return subscriber

    def close(self, subscriber: Subscriber, reason: str) -> None:
        """Ends a stream for one of the reasons in CLOSINGS, telling it why if it can hear."""
        if subscriber.state is State.CLOSED:
            return
        if reason != "gone" and not subscriber.rest:
            try:
                subscriber.push(frames.closed(reason))
            except OSError:
                pass
        self._selector.unregister(subscriber.fd)
        self._heartbeat.discard(subscriber)
        self.stalled.pop(subscriber, None)
        self.leases.leave(subscriber, reason)
        for channel in subscriber.topics:
            self._part(subscriber, channel)
        self._forget(self.users, subscriber.subscription.user_id)
        self._forget(self.addresses, subscriber.subscription.address)
        subscriber.close()
        metrics.OPEN_STREAMS.dec()
        metrics.CLOSED.labels(reason).inc()

    def push(self, subscriber: Subscriber, control: bytes) -> bool:
        """Writes control frames. Returns whether the stream is open and has taken them whole."""
        try:
            whole = subscriber.push(control)
        except OSError:
            self.close(subscriber, "gone")
            return False
        if not whole:
            self._stall(subscriber)
        return whole

    def send(self, subscriber: Subscriber, burst: Burst) -> bool:
        """Writes events. Returns whether the stream is open and has taken them whole."""
        try:
            whole = subscriber.send(burst)
        except OSError:
            self.close(subscriber, "gone")
            return False
        if not whole:
            self._stall(subscriber)
        return whole

    def catch_up(self, subscriber: Subscriber) -> None:
        """Has a subscriber read the log from its cursor, once all its topics are listened to."""
        if subscriber.state is State.CLOSED:
            return
        if subscriber.state is State.LIVE:
            metrics.CATCH_UPS.inc()
        subscriber.state = State.CATCHING_UP
        if subscriber not in self.stalled and all(c.confirmed for c in subscriber.topics):
            self._replay.add(subscriber)

    def _all_catch_up(self, channel: Channel) -> None:
        for subscriber in tuple(channel.subscribers):
            self.catch_up(subscriber)

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
                self._all_catch_up(channel)
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

    def _join(self, subscriber: Subscriber, topic: Topic) -> Channel:
        name = topic.channel.encode()
        channel = self.channels.get(name)
        if channel is None:
            channel = self.channels[name] = Channel(topic, self.observer.observes(topic))
            self._command("SUBSCRIBE", name)
        self.idle.pop(channel, None)
        channel.subscribers.add(subscriber)
        return channel

    def _part(self, subscriber: Subscriber, channel: Channel) -> None:
        channel.subscribers.discard(subscriber)
        if not channel.subscribers:
            self.idle[channel] = time.monotonic()

    def change(self, subscriber: Subscriber, allowed: Subscription) -> None:
        """Goes on with what is allowed now.

        With other topics, an open stream begins anew with a reset: no event tells of what a new one
        held before, nor takes back what was still heard on a lost one after the change; and what a
        new one's log has from before may be of what they were not to see.
        """
        if subscriber.state is State.CLOSED:
            return
        if allowed.holdings != subscriber.subscription.holdings:
            self.leases.change(subscriber, allowed.holdings)
        if allowed.topics != subscriber.subscription.topics:
            self._change_topics(subscriber, allowed.topics)

    def _change_topics(self, subscriber: Subscriber, topics: tuple[Topic, ...]) -> None:
        for channel in subscriber.topics:
            self._part(subscriber, channel)
        subscriber.subscription = replace(subscriber.subscription, topics=topics)
        subscriber.topics = tuple(self._join(subscriber, topic) for topic in topics)
        subscriber.told = -1
        if subscriber.opened and subscriber.cursor is not None:
            subscriber.cursor = subscriber.cursor._replace(ms=0, n=0)  # nothing goes on from there
        self.catch_up(subscriber)

    def leave(self, channel: Channel) -> None:
        """Stops listening to a topic that nobody has subscribed to."""
        del self.channels[channel.name], self.idle[channel]
        self._command("UNSUBSCRIBE", channel.name)

    @staticmethod
    def _forget(counter: Counter[Any], key: object) -> None:
        counter[key] -= 1
        if not counter[key]:
            del counter[key]

    # Sockets

    def _stall(self, subscriber: Subscriber) -> None:
        self.stalled.setdefault(subscriber, time.monotonic())
        self._selector.modify(
            subscriber.fd, selectors.EVENT_READ | selectors.EVENT_WRITE, subscriber
        )
        self.catch_up(subscriber)

    def _unstall(self, subscriber: Subscriber) -> None:
        try:
            whole = subscriber.flush()
        except OSError:
            self.close(subscriber, "gone")
            return
        if whole:
            del self.stalled[subscriber]
            self._selector.modify(subscriber.fd, selectors.EVENT_READ, subscriber)
            self.catch_up(subscriber)
        else:
            self.stalled[subscriber] = time.monotonic()

    def _read(self, subscriber: Subscriber) -> None:
        """A client has nothing more to say: either it hung up, or what it sends is dropped."""
        try:
            said = os.read(subscriber.fd, 4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self.close(subscriber, "gone")

    def _sockets_ready(self) -> None:
        for key, events in self._selector.select(0):
            subscriber = key.data
            if subscriber.state is not State.CLOSED and events & selectors.EVENT_READ:
                self._read(subscriber)
            if subscriber.state is not State.CLOSED and events & selectors.EVENT_WRITE:
                self._unstall(subscriber)

    # Redis

    def _listen(self) -> None:
        delay, most = RECONNECT_DELAY
        while True:
            try:
                listener = self.broker.listener()
                try:
                    self._connected(listener)
                    delay, _ = RECONNECT_DELAY
                    while True:
                        self._receive(listener.read())
                finally:
                    self._disconnected()
                    listener.close()
            except (RedisError, OSError) as error:
                logger.warning("Redis is away (%s); trying again in %.2f s", error, delay)
                gevent.sleep(delay)
                delay = min(delay * 2, most)

    def _connected(self, listener: Listener) -> None:
        self._listener = listener
        self.leases.renew()
        metrics.RECONNECTS.inc()
        names = [CONTROL.encode(), *self.channels]
        for start in range(0, len(names), 1000):
            listener.send("SUBSCRIBE", *names[start : start + 1000])

    def _disconnected(self) -> None:
        """From here on nothing is sure: everyone catches up when the channels are back."""
        self._listener = None
        self.broker.doubt()
        self.connections += 1
        self.said += 1
        for channel in self.channels.values():
            channel.confirmed = False
            channel.position = None
            channel.forget(self.said)
        for subscriber in self.subscribers():
            self.catch_up(subscriber)

    def _command(self, *command: str | bytes) -> None:
        """Sends on the pub/sub connection, if there is one; a new one begins with all channels."""
        listener = self._listener
        if listener is not None:
            try:
                listener.send(*command)
            except (RedisError, OSError):
                if self._listener is listener:
                    self._listener = None  # or the next command would connect it again, unread
                listener.close()  # wakes its reader, which connects again

    def barrier(self, timeout: float) -> bool:
        """Returns True once everything published before this call has been dispatched.

        One connection, answered in order: when the pong is here, what was published before the
        ping is too (https://redis.io/docs/latest/develop/pubsub/). False: Redis is away; a
        connection that stays silent is given up.
        """
        listener = self._listener
        if listener is None:
            return False
        token = str(time.monotonic_ns()).encode()
        pong = self._pongs[token] = Event()
        self._command("PING", token)
        answered = pong.wait(timeout)
        del self._pongs[token]
        if not answered and self._listener is listener:
            listener.close()
        return answered

    def _receive(self, replies: Iterable[list[bytes]]) -> None:
        for kind, group in groupby(replies, key=itemgetter(0)):
            if kind == b"message":
                self._dispatch(group)
            elif kind == b"subscribe":
                for _, name, _ in group:
                    self._confirm(name)
            elif kind == b"pong":
                for _, token in group:
                    if token in self._pongs:
                        self._pongs[token].set()

    def _confirm(self, name: bytes) -> None:
        channel = self.channels.get(name)
        if channel is not None and not channel.confirmed:
            channel.confirmed = True
            self._all_catch_up(channel)

    def _dispatch(self, replies: Iterable[list[bytes]]) -> None:
        """Messages of one topic that arrived in a row leave in one write per socket."""
        for name, row in groupby(replies, key=itemgetter(1)):
            if name == CONTROL.encode():
                for _, _, whose in row:
                    self._revocation.recheck_these(whose.decode())
                continue
            channel = self.channels.get(name)
            if channel is not None:
                self._fan_out(channel, self._hear(channel, [payload for _, _, payload in row]))

    def _hear(self, channel: Channel, payloads: Iterable[bytes]) -> list[Heard]:
        """What of it everyone who is live needs next, in order."""
        events: list[Heard] = []
        for payload in payloads:
            said = heard(payload)
            if isinstance(said, Announcement):
                events += self._announced(channel, said)
            elif self._follows(channel, said):
                events.append((said.cursor, said))
        return events

    def _announced(self, channel: Channel, said: Announcement) -> Iterator[Heard]:
        topic, kind = channel.topic, KINDS[said.kind]
        self.leases.heard(topic.account_id, Group(kind, topic.name), said.told.ends_in)
        for ephemeral in self.announcer.announce(topic, kind, said.told):
            self.said += 1
            channel.remember(self.said, ephemeral)
            yield self.said, ephemeral

    def _follows(self, channel: Channel, message: Message) -> bool:
        """Moves the channel's position. Returns whether the message is what everyone needs next."""
        position, channel.position = channel.position, message.cursor
        self.broker.saw(channel.topic.account_id, message.cursor)
        if position is None:
            return True
        if message.cursor.epoch == position.epoch:
            if message.cursor <= position:
                channel.position = position
                return False
            if message.previous <= position[1:]:
                return True
        metrics.GAPS.inc()
        self._all_catch_up(channel)
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
            self.send(subscriber, burst)
            sent += 1
            size += len(burst.payload)
            if sent % WRITES_PER_TURN == 0:
                give_way()
        metrics.fanned_out([mark for mark, _ in events], size, sent)
        if channel.observed and events:
            self.observer.heard(channel.subscribers, [said for _, said in events])

    def burst(self, events: Iterable[Heard], format: str) -> Burst:
        return Burst(
            [
                (mark, self.frames.ephemeral(said, format))
                if isinstance(said, Ephemeral)
                else self.frames.message(said, format)
                for mark, said in events
            ]
        )
