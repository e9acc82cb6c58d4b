"""The leases of this process's streams: acquired, renewed, released; and expired ones swept away.

The scripts in Redis decide who is in a group, atomically, and announce each change. This component
submits what the process's streams hold, and has a group swept when a lease in it expires.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from typing import NamedTuple

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from .backoff import Backoff
from .broker import Broker
from .broker import GroupChanges
from .contact_presence import CONTACT_PRESENCE
from .frames import HEARTBEAT
from .group import Group
from .group import LeaseSpec
from .inbox_presence import INBOX_PRESENCE
from .presence import PRESENCE
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .typing import TYPING
from .viewers import VIEWERS

KINDS = {kind.name: kind for kind in (PRESENCE, INBOX_PRESENCE, VIEWERS, TYPING, CONTACT_PRESENCE)}
RENEWAL = 15.0  # s between two renewals of all leases
MAX_CHANGES = 500  # changes of a group in one script: a few milliseconds of Redis
MAX_SCRIPTS = 100  # scripts in one pipeline: a few milliseconds of ours to write it
RENEWED_PER_TURN = 200  # streams renewed before others get a turn: a few milliseconds
EXPIRY_MARGIN = 0.01  # s after a lease's end at which its group is swept: it has surely expired
BATCH_DELAY = 0.01  # s in which changes are gathered for one pipeline
RETRY_DELAY = (1.0, 4.0)  # s until a failed pipeline is followed by the next: first, longest

assert all(kind.lasts > 2.5 * RENEWAL for kind in KINDS.values() if kind.renewed)
assert RENEWAL <= HEARTBEAT

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


# (operation, holder, connection, argument), as scripts/leases.lua takes it
Operation = tuple[str, ...]
Change = tuple[GroupKey, Operation]


class Leases:
    def __init__(self, broker: Broker, subscribers: Callable[[], list[Subscriber]]):
        self._broker = broker
        self._subscribers = subscribers  # the open streams, whose leases are renewed
        self._process = secrets.token_hex(4)
        self._joining: deque[tuple[float, Subscriber]] = deque()  # until their join_delay is over
        self._changes: list[Change] = []  # to be submitted
        self._due: dict[GroupKey, float] = {}  # when to sweep a group
        self._heap: list[tuple[float, GroupKey]] = []  # the same, the next one first
        self._renew_at = 0.0
        self._woken = Event()
        self._backoff = Backoff(logger, "Leases are not sent to Redis", *RETRY_DELAY)

    # Called for streams

    def acquire(self, subscribers: Iterable[Subscriber]) -> None:
        """Take the leases of streams that have none yet, and wait for Redis. Raises RedisError."""
        changes = []
        for subscriber in subscribers:
            if subscriber.leases_acquired or subscriber.state is State.CLOSED:
                continue
            leases = held_by_connection(subscriber)
            at_once = [lease for lease in leases if not join_delay(lease, subscriber)]
            changes += self._all("hold", subscriber, at_once)
            self._delay_joining(subscriber, [join_delay(lease, subscriber) for lease in leases])
            subscriber.acquire_leases()
        self._apply(changes)

    def release(
        self, subscriber: Subscriber, reason: str, siblings: Iterable[Subscriber] = ()
    ) -> None:
        """Release the stream's leases soon, as it is closed for `reason`. Does not wait.

        A lease that is not held by a connection is kept while one of `siblings` has it as well.
        """
        if not subscriber.leases_acquired or reason in KEEP_LEASES:
            return
        for lease in subscriber.subscription.leases:
            if lease.kind.held_by_connection:
                grace = max(lease.kind.grace, WAIT_GRACE if reason == "waited" else 0)
                ms = 0 if reason in WITHOUT_GRACE else round(grace * 1000)
                self._later(self._one("release", subscriber, lease, str(ms)))
            elif reason not in RECONNECTS and not any(
                lease in sibling.subscription.leases for sibling in siblings
            ):
                keys = (GroupKey(subscriber.subscription.account_id, g) for g in lease.groups())
                self._later([(key, ("release", lease.holder, "-", "0")) for key in keys])

    def change(self, subscriber: Subscriber, leases: tuple[LeaseSpec, ...]) -> None:
        """Replace the stream's leases soon; at `acquire` if it has taken none yet."""
        before = held_by_connection(subscriber)
        subscriber.change_leases(leases)
        if not subscriber.leases_acquired:
            return
        kept = {(lease.kind, lease.holder, topic) for lease in leases for topic in lease.topics}
        for lease in before:
            lost = tuple(t for t in lease.topics if (lease.kind, lease.holder, t) not in kept)
            self._later(self._one("release", subscriber, lease._replace(topics=lost), "0"))
        fresh = [lease for lease in held_by_connection(subscriber) if lease not in before]
        self._later(self._all("hold", subscriber, fresh))

    def submit(self, account_id: int, group: Group, operation: Operation) -> None:
        """Make a change soon. It is dropped if Redis is away."""
        self._later([(GroupKey(account_id, group), operation)])

    def renew(self) -> None:
        """Renew every lease now: before a long silence, or after one."""
        self._renew_at = 0.0
        self._woken.set()

    def schedule_expiry(self, account_id: int, group: Group, next_expiry_ms: int) -> None:
        """Sweep the group when its next lease expires, in `next_expiry_ms` (-1: never). Every
        process with streams of the group does: one of them must."""
        if next_expiry_ms >= 0:
            at = time.monotonic() + next_expiry_ms / 1000 + EXPIRY_MARGIN
            self._schedule(GroupKey(account_id, group), at)

    # The greenlet

    def run(self) -> None:
        while True:
            wait = self._idle_for(time.monotonic())
            if wait > 0 and self._woken.wait(wait):
                gevent.sleep(BATCH_DELAY)
            self._woken.clear()
            try:
                self.flush(time.monotonic())
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)

    def flush(self, now: float) -> None:
        """Submit all changes that are due at `now` (monotonic, in s), and sweep the groups that
        are. Raises RedisError or OSError; the sweeps are then tried again."""
        changes, self._changes = self._changes, []
        while self._joining and self._joining[0][0] <= now:
            _, subscriber = self._joining.popleft()
            if subscriber.state is not State.CLOSED:  # the leases that it has by now
                delayed = [h for h in held_by_connection(subscriber) if h.kind.join_delay]
                changes += self._all("hold", subscriber, delayed)
        if now >= self._renew_at:
            self._renew_at = now + RENEWAL
            changes += self._renewals()
        self._apply(changes, swept=self._take_due(now))

    def _renewals(self) -> list[Change]:
        """The renewals of all leases. Yields: other greenlets may close streams meanwhile."""
        changes = []
        joining = {subscriber for _, subscriber in self._joining}
        for number, subscriber in enumerate(self._subscribers(), start=1):
            due = subscriber.leases_acquired and subscriber not in joining
            if due and subscriber.state is not State.CLOSED:
                changes += self._all("renew", subscriber, held_by_connection(subscriber))
            if number % RENEWED_PER_TURN == 0:
                yield_to_loop()
        return changes

    def _idle_for(self, now: float) -> float:
        """Seconds until something is due."""
        due = [self._renew_at]
        if self._heap:
            due.append(self._heap[0][0])
        if self._joining:
            due.append(self._joining[0][0])
        return 0.0 if self._changes else min(due) - now

    def _apply(self, changes: Iterable[Change], swept: Iterable[GroupKey] = ()) -> None:
        by_key: dict[GroupKey, list[Operation]] = {key: [] for key in swept}
        for key, operation in changes:
            by_key.setdefault(key, []).append(operation)
        batch = [
            GroupChanges(key.account_id, key.group, chunk)
            for key, operations in by_key.items()
            for chunk in chunks(operations)
        ]
        try:
            diffs = [
                diff
                for start in range(0, len(batch), MAX_SCRIPTS)
                for diff in self._broker.change_groups(batch[start : start + MAX_SCRIPTS])
            ]
        except (RedisError, OSError):
            for key in by_key:  # or the groups would never be swept again
                self._schedule(key, time.monotonic() + RETRY_DELAY[0])
            raise
        for changed, diff in zip(batch, diffs, strict=True):
            self.schedule_expiry(changed.account_id, changed.group, diff.next_expiry_ms)

    def _take_due(self, now: float) -> Iterator[GroupKey]:
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                yield key

    def _schedule(self, key: GroupKey, at: float) -> None:
        """A later time than the present one is dropped: an early sweep costs little, and returns
        the next expiry."""
        if key not in self._due or at < self._due[key]:
            self._due[key] = at
            heapq.heappush(self._heap, (at, key))
            if self._heap[0][0] == at:
                self._woken.set()

    def _delay_joining(self, subscriber: Subscriber, delays: list[float]) -> None:
        if any(delays):
            self._joining.append((time.monotonic() + max(delays), subscriber))
            self._woken.set()

    def _later(self, changes: list[Change]) -> None:
        self._changes += changes
        self._woken.set()

    def _all(self, what: str, subscriber: Subscriber, leases: Iterable[LeaseSpec]) -> list[Change]:
        return [c for lease in leases for c in self._one(what, subscriber, lease, lease.value)]

    def _one(
        self, what: str, subscriber: Subscriber, lease: LeaseSpec, argument: str
    ) -> list[Change]:
        account_id = subscriber.subscription.account_id
        operation = (what, lease.holder, f"{self._process}.{subscriber.fd}", argument)
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
