"""The engine: composes the components, starts and stops them, and has them follow their shards.

Each component gets the ones below it and knows none above: docs/architecture.md has the picture.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from . import frames
from .announcer import Announcer
from .backoff import redis_is_away
from .broker import Broker
from .catch_up_queue import CatchUpQueue
from .controls import Controls
from .diagnosis import diagnose
from .fan_out import FanOut
from .frames import Frames
from .grants import Grants
from .group import Group
from .heartbeat import Heartbeat
from .hub import Hub
from .incidents import Incidents
from .inspection import Inspection
from .leases import Leases
from .listener import Listener
from .long_polling import LongPolling
from .markers import Markers
from .observer import Observer
from .pubsubs import PubSubs
from .replay import Replay
from .revocation import Authorise
from .revocation import Revocation
from .revocation import Together
from .shard_leases import Operation
from .sockets import Sockets
from .stream_counts import StreamCounts
from .subscriber import Subscriber
from .topics import Topics

DRAIN_PAUSE = 0.01  # s between two streams closed at the end
DRAIN_LIMIT = 20.0  # s that a drain takes at most, with however many streams


class Engine:
    """One per process: the open streams, and all that keeps them live.

    `render` makes fragments for the formats other than JSON; `authorise` returns what a
    subscription is allowed now; `announcer` makes events of groups; `observer` is called for
    deliveries; `away` returns whether an error of these passes; `together` is a block around a few
    calls of `authorise`. The engine imports no model and no Flask.
    """

    def __init__(
        self,
        broker: Broker,
        render: frames.Render,
        authorise: Authorise,
        announcer: Announcer | None = None,
        observer: Observer | None = None,
        away: Callable[[BaseException], bool] = redis_is_away,
        together: Together = nullcontext,
    ):
        self.draining = False
        self.broker = broker
        self.announcer = announcer or Announcer()
        self.observer = observer or Observer()
        self.frames = Frames(render)
        self.pubsubs = PubSubs(broker, self._listener)
        self.topics = Topics(broker.shards, self.pubsubs, self.observer.observes)
        self.markers = Markers()
        self.sockets = Sockets()
        self.leases = Leases(broker, self.sockets.subscribers)
        ready = Event()
        queue = CatchUpQueue(ready.set, broker.shards.of)
        incidents = Incidents()
        self.stream_counts = StreamCounts(broker)
        self.hub = Hub(self.sockets, self.topics, self.leases, queue, incidents, self.stream_counts)
        self.grants = Grants(self.stream_counts.has_stream)
        self.fan_out = FanOut(
            self.hub,
            self.topics,
            self.markers,
            self.leases,
            self.frames,
            self.announcer,
            self.observer,
            broker.high_water_marks,
            incidents,
        )
        self.replay = Replay(
            broker,
            self.hub,
            self.topics,
            self.markers,
            self.leases,
            self.frames,
            self.announcer,
            self.observer,
            queue,
            ready,
        )
        self.heartbeat = Heartbeat(broker, self.pubsubs, self.topics, self.hub)
        self.long_polling = LongPolling(self.hub)
        self.revocation = Revocation(self.hub, authorise, self._rights_changed, away, together)
        self.inspection = Inspection(broker, self.hub, self.topics, incidents)
        self.controls = Controls()
        self._greenlets: list[gevent.Greenlet[..., None]] = []
        broker.shards.watch(self._shards_changed)

    def start(self) -> None:
        """Start all components, in greenlets of the calling thread's loop. Again: does nothing."""
        if not self._greenlets:
            self.hub.start()
            self._greenlets = [
                gevent.spawn(self.pubsubs.run),
                gevent.spawn(self.heartbeat.run),
                gevent.spawn(self.long_polling.run),
                gevent.spawn(self.revocation.run),
                gevent.spawn(self.revocation.run_admission),
                gevent.spawn(self.leases.run),
                gevent.spawn(self.stream_counts.run),
                gevent.spawn(self.observer.run, self.fan_out),
                gevent.spawn(self.replay.run),
            ]

    def drain(self) -> None:
        """Close every stream, asking clients to reconnect elsewhere; spread over at most
        DRAIN_LIMIT, so that they do not reconnect at once."""
        self.draining = True
        self.leases.renew()  # they outlive the restart
        while streams := self.hub.subscribers():
            due, pause = time.monotonic(), min(DRAIN_PAUSE, DRAIN_LIMIT / len(streams))
            for subscriber in streams:
                self.hub.close(subscriber, "shutdown")
                due += pause
                gevent.sleep(max(0, due - time.monotonic()))

    def stop(self) -> None:
        """Close every stream, and end what `start` began."""
        for subscriber in self.hub.subscribers():
            self.hub.close(subscriber, "shutdown")
        self.revocation.stop()
        self.inspection.stop()
        gevent.killall(self._greenlets)
        self.replay.stop()
        self.stream_counts.renew()  # without its streams
        self._greenlets = []
        self.pubsubs.stop()
        self.sockets.stop()

    def barrier(self, timeout: float) -> bool:
        """Return True once every message published before this call has been delivered, False if
        that can't be proven within `timeout` seconds."""
        return self.pubsubs.barrier(timeout)

    def redis_problem(self) -> str | None:
        """Return what keeps Redis from its work for this process, as a sentence for operators.

        It asks Redis, which takes REQUEST_TIMEOUT for each of a few commands at most.
        """
        try:
            self.broker.for_requests.check()
        except (RedisError, OSError) as error:
            return diagnose(error).text
        problem = self.heartbeat.problem
        return problem.text if problem is not None else None

    def announce(self, account_id: int, group: Group, operation: Operation) -> None:
        """Change a group soon; Redis announces the change to its topic. Does not wait.

        `operation` is made by presence.py, typing.py or viewers.py. It is dropped if Redis is away.
        """
        self.leases.submit(account_id, group, operation)

    def _listener(self, shard: str) -> Listener:
        return Listener(
            shard,
            self.broker,
            self.pubsubs,
            self.hub,
            self.topics,
            self.markers,
            self.leases,
            self.fan_out,
            self.revocation,
            self.inspection,
            self.controls,
            self.grants,
        )

    def _shards_changed(self) -> None:
        """Accounts have moved to another shard. Waits for nothing: from here on no ping of theirs
        is proven by the old one."""
        self.pubsubs.shards_changed()
        moved = self.topics.move()
        accounts = {channel.topic.account_id for channel in moved}
        self.broker.high_water_marks.invalidate(accounts.__contains__)
        self.markers.invalidate(accounts.__contains__)
        self.hub.catch_up_all(*moved)

    def _rights_changed(self, subscriber: Subscriber) -> None:
        if self.topics.observed(subscriber.topics):
            self.observer.rights_changed(subscriber)
