"""The hub's connections to Redis, step by step: each command and reply waits for the test.

The server is a real one. The test decides whether a command has reached it, whether its reply has
arrived, how much of the pub/sub connection has arrived, and when a greenlet that yielded continues:
every interleaving can be produced and repeated.
"""

from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import gevent
from gevent.event import AsyncResult
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError

from rtapp.realtime.broker import Reading
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.group import Group
from rtapp.realtime.high_water_marks import Load
from rtapp.realtime.markers import Marker
from rtapp.realtime.pubsub_connection import PubSubConnection
from rtapp.realtime.shards import ONLY

from .clock import TimedBroker

SETTLED = 3  # times that the loop has nothing to do
MARK = b"until here"  # its PONG follows the replies to everything sent before


class Step:
    """A command that a greenlet waits for. Redis performs it; its result arrives later."""

    def __init__(self, kind: str, perform: Callable[[], Any]):
        self.kind = kind
        self.performed = False
        self._perform = perform
        self._outcome: Any = None
        self._result: AsyncResult = AsyncResult()

    def perform(self) -> None:
        self.performed = True
        try:
            self._outcome = self._perform()
        except (RedisError, OSError) as error:
            self._outcome = error

    def fail(self) -> None:
        self.performed = True
        self._outcome = RedisConnectionError("the connection broke")

    def arrive(self) -> None:
        if not self.performed:
            self.perform()
        if isinstance(self._outcome, Exception):
            self._result.set_exception(self._outcome)
        else:
            self._result.set(self._outcome)

    def wait(self) -> Any:
        return self._result.get()


class Wire:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.pubsub: HeldPubSubConnection | None = None  # the hub's current one
        self.pubsubs: list[HeldPubSubConnection] = []

    def __repr__(self) -> str:
        return f"<Wire on which {[step.kind for step in self.steps]} wait>"

    def wait(self, kind: str, perform: Callable[[], Any] = lambda: None) -> Any:
        step = Step(kind, perform)
        self.steps.append(step)
        try:
            return step.wait()
        finally:
            self.steps.remove(step)

    def let(self, step: Step) -> None:
        step.arrive()
        self.settle()

    def settle(self) -> None:
        """Return once every greenlet that could continue has reached its next step.

        Not by gevent.sleep(0), which may return many times before the loop polls its sockets.
        """
        for _ in range(SETTLED):
            gevent.idle()

    def waiting(self, *kinds: str) -> list[Step]:
        return [step for step in self.steps if step.kind in kinds]

    def perform(self) -> None:
        """Let Redis perform the waiting commands: later events are not in their results."""
        for step in self.waiting("connect", "read"):
            if not step.performed:
                step.perform()

    def close(self) -> None:
        for pubsub in self.pubsubs:
            pubsub.close()

    def move(self, *kinds: str) -> None:
        """Complete every waiting step of these kinds, in the order of their creation.

        "connect" is the pub/sub connection, with the replies and messages on it.
        """
        kinds = kinds or ("connect", "read", "turn")
        for step in self.waiting(*kinds):
            self.let(step)
        if self.pubsub is not None and "connect" in kinds:
            self.pubsub.deliver(None)


class HeldBroker(TimedBroker):
    """The hub's broker: one per process."""

    def __init__(self, url: str, load_newest: Load, wire: Wire):
        super().__init__(url, load_newest)
        self._wire = wire

    def read(
        self,
        account_id: int,
        names: Sequence[str],
        after: Cursor,
        groups: Sequence[Group] = (),
        marker: Marker | None = None,
    ) -> Reading:
        original = super().read
        return self._wire.wait("read", lambda: original(account_id, names, after, groups, marker))

    def server(self, shard: str = ONLY) -> str | None:
        original = super().server
        return self._wire.wait("read", lambda: original(shard))

    def connect_pubsub(self, shard: str = ONLY) -> Any:
        original = super().connect_pubsub
        return self._wire.wait("connect", lambda: HeldPubSubConnection(self._wire, original(shard)))


class HeldPubSubConnection:
    """A pub/sub connection that holds commands back from Redis and replies from the hub."""

    def __init__(self, wire: Wire, real: PubSubConnection):
        self._wire, self._real = wire, real
        self.server = real.server
        self._sent: list[tuple[str | bytes, ...]] = []
        self._arrived: deque[list[bytes]] = deque()
        self._broken = False
        self._most = 0
        wire.pubsubs.append(self)

    def send(self, *command: str | bytes) -> None:
        if self._broken:
            raise RedisConnectionError("the connection broke")
        self._wire.pubsub = self
        self._sent.append(command)

    def send_all(self, commands: Iterable[tuple[str | bytes, ...]]) -> None:
        for command in commands:
            self.send(*command)

    def read(self) -> Any:
        """Wait for the next replies, as many as the test permits."""
        if self._broken and not self._arrived:
            raise RedisConnectionError("the connection broke")
        return self._wire.wait("deliver", self._take)

    def close(self) -> None:
        self._broken = True
        self._arrived.clear()
        self._real.close()
        if self._wire.pubsub is self:
            self._wire.pubsub = None
        for step in self._wire.waiting("deliver"):
            step.fail()
            step.arrive()

    def carry(self) -> None:
        """Deliver the commands to Redis, and its replies and messages to the socket."""
        try:
            sent, self._sent = self._sent, []
            for command in sent:
                self._real.send(*command)
            self._real.send("PING", MARK)
            while not self._arrived or self._arrived[-1][1] != MARK:
                self._arrived.extend(self._real.read())
            self._arrived.pop()
        except (RedisError, OSError):
            self._broken = True

    def deliver(self, most: int | None) -> None:
        """Deliver at most `most` replies to the hub at once, or the connection's failure."""
        if not self._broken and not self._arrived:
            self.carry()
        self._most = most or len(self._arrived)
        if self._arrived or self._broken:
            for step in self._wire.waiting("deliver"):
                self._wire.let(step)

    def cut(self, lost: int) -> None:
        """Break the connection; the last `lost` replies never arrive."""
        self._broken = True
        for _ in range(min(lost, len(self._arrived))):
            self._arrived.pop()

    def lose_one_of_two(self) -> None:
        """Drop the first of two consecutive messages of a topic; the connection holds."""
        if not self._broken and not self._arrived:
            self.carry()
        for n, (this, following) in enumerate(pairwise(self._arrived)):
            if this[0] == b"message" and this[:2] == following[:2]:
                del self._arrived[n]
                return

    def _take(self) -> list[list[bytes]]:
        if not self._arrived:
            raise RedisConnectionError("the connection broke")
        return [self._arrived.popleft() for _ in range(min(self._most, len(self._arrived)))]


class Turns:
    """Replaces gevent in a module of the engine: a greenlet that yields waits for the test."""

    def __init__(self, wire: Wire, kind: str):
        self._wire, self._kind = wire, kind

    def sleep(self, seconds: float = 0) -> None:
        self._wire.wait(self._kind)

    def __getattr__(self, name: str) -> Any:
        return getattr(gevent, name)
