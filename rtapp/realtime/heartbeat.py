"""The heartbeat: pings spread over the period, and the limits checked with each of them."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from functools import partial
from typing import Generic
from typing import TypeVar

import gevent
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from . import frames
from . import metrics
from .backoff import Backoff
from .broker import Broker
from .burst import Burst
from .burst import control
from .cursor import Cursor
from .diagnosis import Diagnosis
from .diagnosis import NoRecord
from .diagnosis import diagnose
from .hub import SHARES
from .hub import Hub
from .pubsubs import PubSubs
from .subscriber import State
from .subscriber import Subscriber
from .topics import Topics

TICK = frames.HEARTBEAT / SHARES  # s; every tick another share of the streams is pinged
BARRIER_TIMEOUT = 5.0  # s until a silent pub/sub connection is closed
POSITION_TIMEOUT = 1.0  # s for which a ping waits for its position
COMPARISON_TIMEOUT = 0.5  # s for which it waits for the database
BLOCKED_LIMIT = 30.0  # s without progress until a reader is too slow
LINGER = 5.0  # s for which a topic without subscribers stays subscribed to: pages navigate

Result = TypeVar("Result")
ByAccount = dict[int, list[Subscriber]]

logger = logging.getLogger(__name__)


class Heartbeat:
    def __init__(self, broker: Broker, pubsubs: PubSubs, topics: Topics, hub: Hub):
        self._broker = broker
        self._pubsubs = pubsubs
        self._topics = topics
        self._hub = hub
        self._shards: dict[str, ShardState] = {}
        self._comparison: OneAtATime[bool] = OneAtATime()
        self._failures = Backoff(logger, "A heartbeat failed", TICK, TICK)

    def run(self) -> None:
        share = 0
        while True:
            gevent.sleep(TICK * random.uniform(0.95, 1.05))
            share = (share + 1) % SHARES
            try:
                self.tick(time.monotonic())
                self.ping(self._hub.share(share))
            except Exception as error:
                self._failures.wait(error)

    def tick(self, now: float) -> None:
        """Close streams that are blocked for too long; unsubscribe from topics without streams."""
        metrics.FAN_OUTS.flush()
        for subscriber, since in self._hub.blocked():
            if now - since > BLOCKED_LIMIT:
                self._hub.close(subscriber, "too_slow")
        for channel, since in tuple(self._topics.idle.items()):
            if now - since > LINGER:
                self._topics.drop(channel)

    @property
    def problem(self) -> Diagnosis | None:
        """What keeps Redis from its work, as the last ping to each shard found it."""
        known = set(self._broker.shards.names())
        problems = [state.problem for shard, state in self._shards.items() if shard in known]
        return next(filter(None, problems), None)

    def ping(self, share: set[Subscriber]) -> None:
        """Ping these streams: with an id those that provably have every event up to it."""
        accounts = {s.subscription.account_id for s in share if s.state is not State.PENDING}
        compared = self._comparison.within(COMPARISON_TIMEOUT, self._compare, accounts)
        by_account: ByAccount = {}
        for subscriber in share:
            by_account.setdefault(subscriber.subscription.account_id, []).append(subscriber)
        shards = self._broker.shards
        by_shard: dict[str, ByAccount] = {shard: {} for shard in shards.names()}
        for account, subscribers in by_account.items():
            by_shard.setdefault(shards.of(account), {})[account] = subscribers
        pings = [
            partial(self._ping_shard, shard, accounts & streams.keys(), streams, bool(compared))
            for shard, streams in by_shard.items()
        ]
        if len(pings) == 1:
            pings[0]()
        else:  # one that hangs does not delay the others
            gevent.joinall([gevent.spawn(ping) for ping in pings], raise_error=True)

    def _ping_shard(
        self, shard: str, accounts: set[int], streams: ByAccount, compared: bool
    ) -> None:
        state = self._shards.setdefault(shard, ShardState())
        positions = self._positions_in_time(shard, state, accounts, compared)
        now = time.monotonic()
        lag = state.lag(now, positions is not None)
        reason = state.problem.name if state.problem is not None and positions is None else None
        bursts = {
            account: Burst([(position, frames.ping(0, position))])
            for account, position in (positions or {}).items()
        }
        lagging = control(frames.ping(max(lag, TICK), reason=reason))
        for account, subscribers in streams.items():
            burst = bursts.get(account)
            for subscriber in subscribers:
                if subscriber.state is State.CLOSED or self._hub.is_blocked(subscriber):
                    continue
                if now > subscriber.expires:
                    self._hub.close(subscriber, "lifetime")
                elif subscriber.state is State.LIVE and burst is not None:
                    self._ping_live(subscriber, burst)
                else:
                    self._hub.push(subscriber, lagging)

    def _ping_live(self, subscriber: Subscriber, burst: Burst) -> None:
        """The id is never before an event that the stream already has."""
        position = burst.cursor
        assert position is not None
        cursor = subscriber.cursor
        if cursor is None or cursor.epoch != position.epoch:
            self._hub.catch_up(subscriber)  # which finds the epoch lost, and sends a reset
        elif cursor > position:
            self._hub.send(subscriber, Burst([(cursor, frames.ping(0, cursor))]))
        else:
            self._hub.send(subscriber, burst)

    def _compare(self, accounts: set[int]) -> bool:
        """Compare Redis with the events that are recorded as published: what other hosts published
        to another server is found by the next call about the account. Returns whether it could."""
        try:
            self._broker.high_water_marks.load(accounts)
        except OSError:
            return False
        return True

    def _positions_in_time(
        self, shard: str, state: ShardState, accounts: set[int], compared: bool
    ) -> dict[int, Cursor] | None:
        """As `_positions`, but for at most POSITION_TIMEOUT: a hanging Redis delays no ping."""
        ask = partial(self._positions, shard)
        positions = state.query.within(POSITION_TIMEOUT, ask, accounts)
        if isinstance(positions, dict):
            of = self._broker.shards.of
            state.note(self._broker.high_water_marks.loss(lambda account: of(account) == shard))
            return positions
        # Marks that can't be loaded keep Redis from being asked.
        silent = RedisTimeoutError("No answer in time") if compared else NoRecord("No answer")
        state.note(positions or silent)
        self._pubsubs.doubt(shard)
        return None

    def _positions(self, shard: str, accounts: set[int]) -> dict[int, Cursor] | Exception:
        """Return positions up to which every message has been handled, or why there are none.

        The positions are read first; then a barrier proves that all messages up to them are here.
        An account that has moved to another shard meanwhile has none.
        """
        try:
            positions = {account: self._broker.position(account) for account in accounts}
            self._pubsubs.prove(shard, BARRIER_TIMEOUT)
        except (RedisError, OSError) as error:
            return error
        of = self._broker.shards.of
        return {account: at for account, at in positions.items() if of(account) == shard}


class ShardState:
    """What the pings have found of a shard."""

    def __init__(self) -> None:
        self.query: OneAtATime[dict[int, Cursor] | Exception] = OneAtATime()
        self.problem: Diagnosis | None = None  # as the last ping found it
        self._current_at = time.monotonic()  # when every message was last proven to be handled
        self._reports = Backoff(logger, "Streams may not be up to date", TICK, TICK)

    def lag(self, now: float, is_current: bool) -> float:
        """The seconds since every message was last proven to be handled: now if `is_current`."""
        if is_current:
            self._current_at = now
        return now - self._current_at

    def note(self, error: Exception | None) -> None:
        self.problem = diagnose(error) if error is not None else None
        if self.problem is not None:
            self._reports.failed(RedisError(self.problem.text))


class OneAtATime(Generic[Result]):
    """Calls in a greenlet, of which one at a time is under way, however long it takes."""

    def __init__(self) -> None:
        self._call: gevent.Greenlet[..., Result] | None = None

    def within(
        self, seconds: float, function: Callable[[set[int]], Result], argument: set[int]
    ) -> Result | None:
        """Return the result; None if it takes longer, or if an earlier call still does."""
        if self._call is None or self._call.ready():
            self._call = gevent.spawn(function, argument)
            self._call.join(seconds)
            if self._call.ready():
                return self._call.value
        return None
