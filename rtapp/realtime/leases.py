"""The leases of this process's streams: taken, renewed, given back; and run-out ones swept away.

Nothing here decides who is there: the scripts do, atomically, and announce it. This only says in
time what the process knows, and has groups looked after when a lease in them runs out.
"""

from __future__ import annotations

import heapq
import logging
import secrets
import time
from collections import deque
from collections.abc import Iterable
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING
from typing import NamedTuple

import gevent
from gevent.event import Event
from redis.exceptions import RedisError

from .broker import GroupChanges
from .frames import HEARTBEAT
from .group import Group
from .group import LeaseSpec
from .presence import PRESENCE
from .scheduling import yield_to_loop
from .subscriber import State
from .typing import TYPING
from .viewers import VIEWERS

if TYPE_CHECKING:
    from .hub import Hub
    from .subscriber import Subscriber

KINDS = {kind.name: kind for kind in (PRESENCE, VIEWERS, TYPING)}
RENEWAL = 15.0  # s between two renewals of all leases
CHUNK = 500  # changes of a group in one script: a few milliseconds of Redis
SCRIPTS = 100  # in one pipeline: a few milliseconds of ours to write it
RENEWED_PER_TURN = 200  # streams looked at before others get a turn: a few milliseconds
LATE = 0.01  # s after a lease's end at which it is looked at: then it surely has run out
GATHERING = 0.01  # s in which changes come together, so that they are told in one pipeline
RETRY_DELAY = 1.0  # s until Redis is asked again

assert all(kind.lasts > 2.5 * RENEWAL for kind in KINDS.values() if kind.renewed)
assert RENEWAL <= HEARTBEAT

# Reasons of closing after which a user is not given any grace, and those that are no departure:
# after these the client comes back, and its old lease runs out unheard.
AT_ONCE = {"forbidden", "signed_out"}
KEEPS_LEASES = {"shutdown"}

logger = logging.getLogger(__name__)


class Place(NamedTuple):
    """A group of an account."""

    account_id: int
    group: Group


class Leases:
    def __init__(self, hub: Hub):
        self._hub = hub
        self._process = secrets.token_hex(4)
        self._settling: deque[tuple[float, Subscriber]] = deque()
        self._changes: list[tuple[Place, tuple[str, ...]]] = []  # to be told to Redis
        self._due: dict[Place, float] = {}  # when to look at a group again
        self._heap: list[tuple[float, Place]] = []  # the same, the next one first
        self._renew_at = 0.0
        self._woken = Event()

    # What streams do

    def arrive(self, subscribers: Iterable[Subscriber]) -> None:
        """Has them hold what they hold from the beginning. Raises RedisError."""
        changes = []
        for subscriber in subscribers:
            if subscriber.arrived or subscriber.state is State.CLOSED:
                continue
            leases = held(subscriber)
            changes += self._all("hold", subscriber, [h for h in leases if not h.kind.join_delay])
            self._settle(subscriber, [h.kind.join_delay for h in leases])
            subscriber.arrived = True
        self._tell(changes)

    def leave(self, subscriber: Subscriber, reason: str) -> None:
        """Gives back what the stream holds, as it is closed for `reason`. Does not wait."""
        if not subscriber.arrived or reason in KEEPS_LEASES:
            return
        for lease in subscriber.subscription.leases:
            if lease.kind.held_by_connection:
                grace = 0 if reason in AT_ONCE else round(lease.kind.grace * 1000)
                self._later(self._one("release", subscriber, lease, str(grace)))
            elif reason != "lifetime" and not self._elsewhere(subscriber, lease):
                places = (Place(subscriber.subscription.account_id, g) for g in lease.groups())
                self._later([(place, ("release", lease.holder, "-", "0")) for place in places])

    def change(self, subscriber: Subscriber, leases: tuple[LeaseSpec, ...]) -> None:
        """Has the stream hold these instead of what it held; `arrive` if it has not yet."""
        before = held(subscriber)
        subscriber.subscription = replace(subscriber.subscription, leases=leases)
        if not subscriber.arrived:
            return
        kept = {(h.kind, h.holder, topic) for h in leases for topic in h.topics}
        for lease in before:
            lost = tuple(t for t in lease.topics if (lease.kind, lease.holder, t) not in kept)
            self._later(self._one("release", subscriber, lease._replace(topics=lost), "0"))
        fresh = [lease for lease in held(subscriber) if lease not in before]
        self._later(self._all("hold", subscriber, fresh))

    def say(self, account_id: int, group: Group, change: tuple[str, str, str, str]) -> None:
        """Has a change (what, holder, connection, value) made soon. What Redis is not there to
        hear is dropped."""
        self._later([(Place(account_id, group), change)])

    def renew(self) -> None:
        """Has everything renewed at once: before a long silence, or after one."""
        self._renew_at = 0.0
        self._woken.set()

    # What is heard of groups

    def heard(self, account_id: int, group: Group, next_expiry_ms: int) -> None:
        """Someone must look when the next lease runs out: every process that shows it does."""
        if next_expiry_ms >= 0:
            self._schedule(
                Place(account_id, group), time.monotonic() + next_expiry_ms / 1000 + LATE
            )

    # What is done about it

    def run(self) -> None:
        while True:
            wait = self._wait(time.monotonic())
            if wait > 0 and self._woken.wait(wait):
                gevent.sleep(GATHERING)
            self._woken.clear()
            try:
                self.work(time.monotonic())
            except (RedisError, OSError) as error:
                logger.warning("Leases could not be told to Redis (%s)", error)
                gevent.sleep(RETRY_DELAY)
            except Exception:
                logger.exception("Leases could not be looked after")
                gevent.sleep(RETRY_DELAY)

    def work(self, now: float) -> None:
        """Tells Redis what has come together by `now` (monotonic, in s), in one pipeline."""
        changes, self._changes = self._changes, []
        while self._settling and self._settling[0][0] <= now:
            _, subscriber = self._settling.popleft()
            if subscriber.state is not State.CLOSED:  # what it is to hold by now
                settled = [h for h in held(subscriber) if h.kind.join_delay]
                changes += self._all("hold", subscriber, settled)
        if now >= self._renew_at:
            self._renew_at = now + RENEWAL
            changes += self._renewals()
        self._tell(changes, looked_at=self._take_due(now))

    def _renewals(self) -> list[tuple[Place, tuple[str, ...]]]:
        """Of all that is held. Others get turns meanwhile, in which streams may be closed."""
        changes = []
        settling = {subscriber for _, subscriber in self._settling}
        for number, subscriber in enumerate(self._hub.subscribers(), start=1):
            due = subscriber.arrived and subscriber not in settling
            if due and subscriber.state is not State.CLOSED:
                changes += self._all("renew", subscriber, held(subscriber))
            if number % RENEWED_PER_TURN == 0:
                yield_to_loop()
        return changes

    def _wait(self, now: float) -> float:
        """For how many seconds there is nothing to do."""
        until = [self._renew_at]
        if self._heap:
            until.append(self._heap[0][0])
        if self._settling:
            until.append(self._settling[0][0])
        return 0.0 if self._changes else min(until) - now

    def _tell(
        self,
        changes: Iterable[tuple[Place, tuple[str, ...]]],
        looked_at: Iterable[Place] = (),
    ) -> None:
        by_place: dict[Place, list[tuple[str, ...]]] = {place: [] for place in looked_at}
        for place, change in changes:
            by_place.setdefault(place, []).append(change)
        batch = [
            GroupChanges(place.account_id, place.group, chunk)
            for place, all_changes in by_place.items()
            for chunk in chunks(all_changes)
        ]
        try:
            told = [
                answer
                for start in range(0, len(batch), SCRIPTS)
                for answer in self._hub.broker.change_groups(batch[start : start + SCRIPTS])
            ]
        except (RedisError, OSError):
            for place in by_place:  # or nobody would look at them again
                self._schedule(place, time.monotonic() + RETRY_DELAY)
            raise
        for changed, answer in zip(batch, told, strict=True):
            self.heard(changed.account_id, changed.group, answer.next_expiry_ms)

    def _take_due(self, now: float) -> Iterator[Place]:
        while self._heap and self._heap[0][0] <= now:
            at, place = heapq.heappop(self._heap)
            if self._due.get(place) == at:
                del self._due[place]
                yield place

    def _schedule(self, place: Place, at: float) -> None:
        """A later time is not noted: looking too early costs little, and tells the next time."""
        if place not in self._due or at < self._due[place]:
            self._due[place] = at
            heapq.heappush(self._heap, (at, place))
            if self._heap[0][0] == at:
                self._woken.set()

    def _elsewhere(self, subscriber: Subscriber, lease: LeaseSpec) -> bool:
        """Whether another stream of this process would give the same back."""
        return any(
            other is not subscriber and lease in other.subscription.leases
            for channel in subscriber.topics
            for other in channel.subscribers
        )

    def _settle(self, subscriber: Subscriber, times: list[float]) -> None:
        if any(times):
            self._settling.append((time.monotonic() + max(times), subscriber))
            self._woken.set()

    def _later(self, changes: list[tuple[Place, tuple[str, ...]]]) -> None:
        self._changes += changes
        self._woken.set()

    def _all(
        self, what: str, subscriber: Subscriber, leases: Iterable[LeaseSpec]
    ) -> list[tuple[Place, tuple[str, ...]]]:
        return [c for h in leases for c in self._one(what, subscriber, h, h.value)]

    def _one(
        self, what: str, subscriber: Subscriber, lease: LeaseSpec, argument: str
    ) -> list[tuple[Place, tuple[str, ...]]]:
        account_id = subscriber.subscription.account_id
        change = (what, lease.holder, f"{self._process}.{subscriber.fd}", argument)
        return [(Place(account_id, group), change) for group in lease.groups()]


def held(subscriber: Subscriber) -> list[LeaseSpec]:
    """What the stream itself holds, for as long as it is open."""
    return [h for h in subscriber.subscription.leases if h.kind.held_by_connection]


def chunks(changes: list[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    """At most CHUNK at a time; one empty chunk when there are none."""
    for start in range(0, max(1, len(changes)), CHUNK):
        yield changes[start : start + CHUNK]
