"""Redis as a hub has it, step by step: what crosses the wire waits until the test lets it pass.

The server is a real one. But whether a command has reached it, whether its answer has come back,
how much of the pub/sub connection has arrived, and when a greenlet that yielded goes on, is decided
by the test: so every interleaving can be had, and had again.
"""

from collections import deque
from collections.abc import Callable
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
from rtapp.realtime.pubsub_connection import PubSubConnection

from .clock import TimedBroker

SETTLED = 3  # times that the loop has nothing to do
MARK = b"until here"  # what was sent on the pub/sub connection before this has been answered


class Step:
    """Something that a greenlet waits for. Redis does it first; the greenlet hears of it later."""

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
        self.listener: HeldListener | None = None  # the one that the hub has now
        self.listeners: list[HeldListener] = []

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
        """Returns when whoever could go on has gone on to its next step.

        Not by gevent.sleep(0), which can be had many times before the loop looks at its sockets.
        """
        for _ in range(SETTLED):
            gevent.idle()

    def waiting(self, *kinds: str) -> list[Step]:
        return [step for step in self.steps if step.kind in kinds]

    def perform(self) -> None:
        """Redis does what it was asked: what happens from now on is not in its answers."""
        for step in self.waiting("connect", "read"):
            if not step.performed:
                step.perform()

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()

    def move(self, *kinds: str) -> None:
        """Every step of these kinds that waits now is done, in the order in which they came up.

        "connect" is the pub/sub connection: also what Redis has to say on it.
        """
        kinds = kinds or ("connect", "read", "turn")
        for step in self.waiting(*kinds):
            self.let(step)
        if self.listener is not None and "connect" in kinds:
            self.listener.hear(None)


class HeldBroker(TimedBroker):
    """The hub's: one per process."""

    def __init__(self, url: str, load_newest: Callable[[int], Cursor | None], wire: Wire):
        super().__init__(url, load_newest)
        self._wire = wire

    def read(
        self, account_id: int, names: Sequence[str], after: Cursor, groups: Sequence[Group] = ()
    ) -> Reading:
        really = super().read
        return self._wire.wait("read", lambda: really(account_id, names, after, groups))

    def connect_pubsub(self) -> Any:
        really = super().connect_pubsub
        return self._wire.wait("connect", lambda: HeldListener(self._wire, really()))


class HeldListener:
    """A pub/sub connection: what was sent has not reached Redis, nor what it answered the hub."""

    def __init__(self, wire: Wire, real: PubSubConnection):
        self._wire, self._real = wire, real
        self._sent: list[tuple[str | bytes, ...]] = []
        self._arrived: deque[list[bytes]] = deque()
        self._broken = False
        self._most = 0
        wire.listeners.append(self)

    def send(self, *command: str | bytes) -> None:
        if self._broken:
            raise RedisConnectionError("the connection broke")
        self._wire.listener = self
        self._sent.append(command)

    def read(self) -> Any:
        """Waits for the next replies, as many as the test lets through."""
        if self._broken and not self._arrived:
            raise RedisConnectionError("the connection broke")
        return self._wire.wait("hear", self._take)

    def close(self) -> None:
        self._broken = True
        self._arrived.clear()
        self._real.close()
        if self._wire.listener is self:
            self._wire.listener = None
        for step in self._wire.waiting("hear"):
            step.fail()
            step.arrive()

    def carry(self) -> None:
        """What was sent reaches Redis, and what Redis has to say comes as far as the socket."""
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

    def hear(self, most: int | None) -> None:
        """The hub gets at most so many replies at once, or hears that the connection broke."""
        if not self._broken and not self._arrived:
            self.carry()
        self._most = most or len(self._arrived)
        if self._arrived or self._broken:
            for step in self._wire.waiting("hear"):
                self._wire.let(step)

    def cut(self, lost: int) -> None:
        """The connection breaks, and the last `lost` replies never arrive."""
        self._broken = True
        for _ in range(min(lost, len(self._arrived))):
            self._arrived.pop()

    def lose_one_of_two(self) -> None:
        """Of two messages of a topic in a row, the first is lost though the connection holds."""
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
    """gevent, as a module of the engine sees it: whoever yields or pauses waits for the test."""

    def __init__(self, wire: Wire, kind: str):
        self._wire, self._kind = wire, kind

    def sleep(self, seconds: float = 0) -> None:
        self._wire.wait(self._kind)

    def __getattr__(self, name: str) -> Any:
        return getattr(gevent, name)
