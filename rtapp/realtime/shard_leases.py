"""The leases of this process's streams in the accounts of one shard.

The scripts in Redis decide who is in a group, atomically, and announce each change. This component
submits what the process's streams hold. It renews one lease of its own in each account, which keeps
all that it holds there, and has groups swept when a lease in them expires or a process has lapsed.
"""

from __future__ import annotations

import logging
import secrets
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from itertools import count
from typing import NamedTuple

import gevent
from gevent.event import Event
from gevent.lock import BoundedSemaphore

from .backoff import Backoff
from .broker import Broker
from .broker import GroupChanges
from .group import Group
from .group import Kind
from .group import LeaseSpec
from .holding import Holding
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .timetable import Timetable

RENEWAL = 15.0  # s between two renewals of this process's lease in an account
MAX_CHANGES = 500  # changes of a group in one script: a few milliseconds of Redis
MAX_SCRIPTS = 100  # scripts in one pipeline: a few milliseconds of ours to write it
RESTORED_PER_TURN = 200  # streams looked at before others get a turn: a few milliseconds
EXPIRY_MARGIN = 0.01  # s after a lease's end at which its group is swept: it has surely expired
BATCH_DELAY = 0.01  # s in which changes are gathered for one pipeline
RETRY_DELAY = (1.0, 4.0)  # s until a failed pipeline is followed by the next: first, longest

# Reasons of closing without a grace period, and those that keep the leases: after these the client
# reconnects, and its old lease expires without an announcement.
WITHOUT_GRACE = {"forbidden", "signed_out"}
KEEP_LEASES = {"shutdown"}
RECONNECTS = {"lifetime", "waited"}  # the client does, at once: it goes on typing
WAIT_GRACE = 10.0  # s of grace between two requests of long polling, through a slow proxy too

logger = logging.getLogger(__name__)


class GroupKey(NamedTuple):
    """A group of an account."""

    account_id: int
    group: Group


# (operation, holder, number of the stream, argument), as scripts/leases.lua takes it
Operation = tuple[str, ...]
Change = tuple[GroupKey, Operation]


class Batch:
    """Changes that are sent together, in their order."""

    def __init__(self) -> None:
        self.changes: list[Change] = []
        self._error: Exception | None = None

    def add(self, changes: Iterable[Change]) -> None:
        self.changes += changes

    def failed(self, error: Exception) -> None:
        self._error = error

    def check(self) -> None:
        """Raise why it was not sent."""
        if self._error is not None:
            raise self._error


class ShardLeases:
    """All changes are sent in the order in which they are made, one batch at a time: a stream that
    is closed holds nothing, and the count of the changes is right between two batches."""

    def __init__(
        self,
        broker: Broker,
        subscribers: Callable[[], list[Subscriber]],
        kinds: Mapping[str, Kind],
        clock: Callable[[], float],
    ):
        self._broker = broker
        self._kinds = kinds
        self._subscribers = subscribers  # the open streams, whose leases may be taken again
        self._clock = clock
        self._process = secrets.token_hex(4)
        self._numbers = count(1)
        self._holdings: dict[int, Holding] = {}  # by account
        self._joining: deque[tuple[float, Subscriber]] = deque()  # until their join_delay is over
        self._batch = Batch()  # to be sent
        self._sending = BoundedSemaphore()
        self._sweeps: Timetable[GroupKey] = Timetable()
        self._renewals: Timetable[int] = Timetable()  # by account
        self._renew_all = False
        self._woken = Event()
        self._backoff = Backoff(logger, "Leases are not sent to Redis", *RETRY_DELAY)

    def holds_in(self, account_id: int) -> bool:
        """Whether the account's changes are to come here, in their order with those before."""
        return account_id in self._holdings

    # Called for streams

    def acquire(self, subscribers: Iterable[Subscriber]) -> None:
        """Take the leases of streams that have none yet, and wait for Redis. Raises RedisError."""
        batch = self._batch
        for subscriber in subscribers:
            if subscriber.lease or subscriber.state is State.CLOSED:
                continue
            subscriber.acquire_leases(next(self._numbers))
            self._holding(subscriber).opened()
            leases = held_by_connection(subscriber)
            at_once = [lease for lease in leases if not join_delay(lease, subscriber)]
            batch.add(all_changes("hold", subscriber, at_once))
            self._delay_joining(subscriber, [join_delay(lease, subscriber) for lease in leases])
        if batch.changes:
            with self._sending:
                if batch is self._batch:  # else it was sent while this one waited
                    self._send()
            batch.check()

    def release(
        self, subscriber: Subscriber, reason: str, siblings: Iterable[Subscriber] = ()
    ) -> None:
        """Release the stream's leases soon, as it is closed for `reason`. Does not wait.

        A lease that is not held by a connection is kept while one of `siblings` has it as well.
        """
        if not subscriber.lease or reason in KEEP_LEASES:
            return
        self._holding(subscriber).closed()
        for lease in subscriber.subscription.leases:
            if lease.kind.held_by_connection:
                grace = max(lease.kind.grace, WAIT_GRACE if reason == "waited" else 0)
                ms = 0 if reason in WITHOUT_GRACE else round(grace * 1000)
                self._later(changes_of("release", subscriber, lease, str(ms)))
            elif reason not in RECONNECTS and not any(
                lease in sibling.subscription.leases for sibling in siblings
            ):
                keys = (GroupKey(subscriber.subscription.account_id, g) for g in lease.groups())
                self._later([(key, ("release", lease.holder, "-", "0")) for key in keys])

    def change(self, subscriber: Subscriber, leases: tuple[LeaseSpec, ...]) -> None:
        """Replace the stream's leases soon; at `acquire` if it has taken none yet."""
        before = held_by_connection(subscriber)
        subscriber.change_leases(leases)
        if not subscriber.lease:
            return
        kept = {(lease.kind, lease.holder, topic) for lease in leases for topic in lease.topics}
        for lease in before:
            lost = tuple(t for t in lease.topics if (lease.kind, lease.holder, t) not in kept)
            self._later(changes_of("release", subscriber, lease._replace(topics=lost), "0"))
        fresh = [lease for lease in held_by_connection(subscriber) if lease not in before]
        self._later(all_changes("hold", subscriber, fresh))

    def submit(self, account_id: int, group: Group, operation: Operation) -> None:
        """Make a change soon. It is dropped if Redis is away."""
        self._later([(GroupKey(account_id, group), operation)])

    def renew(self) -> None:
        """Renew the leases of all accounts now: before a long silence, or after one."""
        self._renew_all = True
        self._woken.set()

    def schedule_expiry(self, account_id: int, group: Group, next_expiry_ms: int) -> None:
        """Sweep the group when its next lease expires, in `next_expiry_ms` (-1: never). Every
        process with streams of the group does: one of them must."""
        if next_expiry_ms >= 0:
            at = self._clock() + next_expiry_ms / 1000 + EXPIRY_MARGIN
            if self._sweeps.schedule(GroupKey(account_id, group), at):
                self._woken.set()

    # The greenlet

    def run(self) -> None:
        while True:
            wait = self._idle_for(self._clock())
            if wait > 0 and self._woken.wait(wait):
                gevent.sleep(BATCH_DELAY)
            self._woken.clear()
            try:
                self.flush(self._clock())
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)

    def flush(self, now: float) -> None:
        """Submit all changes that are due at `now` (monotonic, in s), sweep the groups that are,
        and renew the lease where it is. Raises RedisError or OSError; all but the changes of no
        process are then tried again."""
        while self._joining and self._joining[0][0] <= now:
            _, subscriber = self._joining.popleft()
            if subscriber.state is not State.CLOSED:  # the leases that it has by now
                delayed = [h for h in held_by_connection(subscriber) if h.kind.join_delay]
                self._batch.add(all_changes("hold", subscriber, delayed))
        with self._sending:
            self._send(swept=list(self._sweeps.take(now)))
        if self._renew_all:
            self._renew_all = False
            for account_id in self._holdings:
                self._renewals.schedule(account_id, now)
        self._renew(list(self._renewals.take(now)), now)

    def _idle_for(self, now: float) -> float:
        """Seconds until something is due, or something may be."""
        if self._batch.changes or self._renew_all:
            return 0.0
        joining = self._joining[0][0] if self._joining else now + RENEWAL
        return min(joining, self._sweeps.next(), self._renewals.next()) - now

    def _send(self, swept: Iterable[GroupKey] = ()) -> None:
        """Send the batch, and sweep these groups."""
        batch, self._batch = self._batch, Batch()
        by_key: dict[GroupKey, list[Operation]] = {key: [] for key in swept}
        for key, operation in batch.changes:
            by_key.setdefault(key, []).append(operation)
        calls = [
            self._call(key, chunk)
            for key, operations in by_key.items()
            for chunk in chunks(operations)
        ]
        try:
            diffs = [
                diff
                for start in range(0, len(calls), MAX_SCRIPTS)
                for diff in self._broker.change_groups(calls[start : start + MAX_SCRIPTS])
            ]
        except Exception as error:
            batch.failed(error)
            retry = self._clock() + RETRY_DELAY[0]
            for key in by_key:  # or the groups would never be swept again
                self._sweeps.schedule(key, retry)
            for account_id in {call.account_id for call in calls if call.process}:
                self._holdings[account_id].doubt()
                self._renewals.schedule(account_id, retry)
            raise
        for call, diff in zip(calls, diffs, strict=True):
            self.schedule_expiry(call.account_id, call.group, diff.next_expiry_ms)

    def _call(self, key: GroupKey, operations: list[Operation]) -> GroupChanges:
        holding = self._holdings.get(key.account_id)
        if holding is None or not operations or not key.group.kind.held_by_connection:
            return GroupChanges(key.account_id, key.group, operations)
        holding.changed()
        named = [
            (what, holder, f"{holding.process}.{number}", argument)
            for what, holder, number, argument in operations
        ]
        return GroupChanges(key.account_id, key.group, named, holding.process)

    def _renew(self, accounts: list[int], now: float) -> None:
        try:
            for start in range(0, len(accounts), MAX_SCRIPTS):
                self._renew_some(accounts[start : start + MAX_SCRIPTS], now)
        except Exception:
            for account_id in accounts:
                self._renewals.schedule(account_id, now + RETRY_DELAY[0])
            raise
        doubtful = {a for a in accounts if a in self._holdings and self._holdings[a].doubtful}
        if doubtful:
            self._restore(doubtful)

    def _renew_some(self, accounts: list[int], now: float) -> None:
        """Renew the lease in these accounts, and sweep the groups of lapsed processes there."""
        held = [account_id for account_id in accounts if self._keeps(account_id)]
        with self._sending:
            renewals = self._broker.renew([(a, self._holdings[a].process) for a in held])
            swept: list[GroupKey] = []
            for account_id, renewal in zip(held, renewals, strict=True):
                self._holdings[account_id].compare(renewal.changes)
                groups = [Group.named(name, self._kinds) for name in renewal.lapsed]
                swept += [GroupKey(account_id, group) for group in groups if group is not None]
                wait = RENEWAL
                if any(groups):
                    wait = 0  # there may be more of them
                elif renewal.next_lapse_ms >= 0:
                    wait = min(wait, renewal.next_lapse_ms / 1000 + EXPIRY_MARGIN)
                self._renewals.schedule(account_id, now + wait)
            self._send(swept)

    def _keeps(self, account_id: int) -> bool:
        """Whether this process goes on to hold leases in the account."""
        holding = self._holdings.get(account_id)
        if holding is not None and not holding.streams and not self._batch.changes:
            del self._holdings[account_id]
        return account_id in self._holdings

    def _restore(self, accounts: set[int]) -> None:
        """Hold everything in these accounts again. Yields: a stream that is closed meanwhile is not
        held, or released after that."""
        for account_id in accounts:
            self._holdings[account_id].begin_anew(self._new_name())
        joining = {subscriber for _, subscriber in self._joining}
        for number, subscriber in enumerate(self._subscribers(), start=1):
            due = subscriber.subscription.account_id in accounts and subscriber.lease
            if due and subscriber.state is not State.CLOSED:
                leases = held_by_connection(subscriber)
                if subscriber in joining:
                    leases = [lease for lease in leases if not join_delay(lease, subscriber)]
                self._batch.add(all_changes("restore", subscriber, leases))
            if number % RESTORED_PER_TURN == 0:
                yield_to_loop()

    def _holding(self, subscriber: Subscriber) -> Holding:
        account_id = subscriber.subscription.account_id
        if account_id not in self._holdings:
            self._holdings[account_id] = Holding(self._new_name())
            if self._renewals.schedule(account_id, self._clock() + RENEWAL):
                self._woken.set()
        return self._holdings[account_id]

    def _new_name(self) -> str:
        return f"{self._process}-{next(self._numbers)}"

    def _delay_joining(self, subscriber: Subscriber, delays: list[float]) -> None:
        if any(delays):
            self._joining.append((self._clock() + max(delays), subscriber))
            self._woken.set()

    def _later(self, changes: list[Change]) -> None:
        self._batch.add(changes)
        self._woken.set()


def all_changes(what: str, subscriber: Subscriber, leases: Iterable[LeaseSpec]) -> list[Change]:
    return [c for lease in leases for c in changes_of(what, subscriber, lease, lease.value)]


def changes_of(what: str, subscriber: Subscriber, lease: LeaseSpec, argument: str) -> list[Change]:
    account_id = subscriber.subscription.account_id
    operation = (what, lease.holder, str(subscriber.lease), argument)
    return [(GroupKey(account_id, group), operation) for group in lease.groups()]


def held_by_connection(subscriber: Subscriber) -> list[LeaseSpec]:
    """The leases that the stream holds as long as it is open."""
    return [lease for lease in subscriber.subscription.leases if lease.kind.held_by_connection]


def join_delay(lease: LeaseSpec, subscriber: Subscriber) -> float:
    """Seconds until the lease counts. A request of long polling may be over before them."""
    return 0 if subscriber.subscription.wait else lease.kind.join_delay


def chunks(operations: list[Operation]) -> Iterator[list[Operation]]:
    """Parts of at most MAX_CHANGES; one empty part when there are none."""
    for start in range(0, max(1, len(operations)), MAX_CHANGES):
        yield operations[start : start + MAX_CHANGES]
