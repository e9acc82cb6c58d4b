"""The number of open streams of a user and from an address, in all processes together.

A process writes its own numbers to Redis, where a script adds up those of all. Its numbers count as
long as its lease lasts, so that those of a killed process end. Without Redis, each process counts
its own streams only.
"""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Collection
from collections.abc import Sequence
from typing import NamedTuple

from gevent import sleep
from gevent.event import Event
from gevent.lock import RLock
from redis.exceptions import RedisError

from .broker import Broker
from .subscriber import Subscription

RENEWAL = 5.0  # s between two renewals of the lease
LEASE = 20.0  # s after which the streams of a process that is gone count no more
MAX_STREAMS = 500  # asked for in one script, about a millisecond of Redis
MAX_SUBJECTS = 1000  # in one script without a stream
BATCH_DELAY = 0.05  # s in which closed streams are gathered


class Limit(NamedTuple):
    """The streams that a subject (`user:42`, `contact:7`, `address:192.0.2.1`) may have open."""

    subject: str
    most: int


class Reservation:
    """A stream that is counted before it is open. Unless it is `kept`, it counts until the object
    is deleted: a request may end in many ways before its connection is handed over."""

    __slots__ = ("_counts", "_is_given_back", "granted", "kept", "limits", "subjects")

    def __init__(self, counts: StreamCounts, subjects: Collection[str], limits: Sequence[Limit]):
        self._counts = counts
        self.subjects = subjects
        self.limits = limits
        self.granted: bool | None = None  # None: not decided yet
        self.kept = False
        self._is_given_back = False

    def decide(self, granted: bool) -> None:
        self.granted = granted
        if self._is_given_back:
            self._remove()

    def keep(self) -> None:
        """The hub has opened the stream, and releases it when it closes it."""
        self.kept = True

    def give_back(self) -> None:
        """Count the stream no more, or not at all if it is not decided yet."""
        if not (self._is_given_back or self.kept):
            self._is_given_back = True
            self._remove()

    def _remove(self) -> None:
        if self.granted:
            self._counts.remove(self.subjects)

    def __del__(self) -> None:
        self.give_back()


class StreamCounts:
    def __init__(self, broker: Broker):
        self._broker = broker
        self._process = secrets.token_hex(8)
        self._open: Counter[str] = Counter()  # of this process, those reserved too
        self._asked: list[Reservation] = []
        self._shared: set[str] = set()  # subjects of which Redis has our number
        self._changed: set[str] = set()  # those of which it has an old one
        self._is_stale = False  # it may have an old one of each
        self._woken = Event()
        self._one_at_a_time = RLock()

    def own(self, subject: str) -> int:
        """Return how many streams the subject has in this process."""
        return self._open[subject]

    def has_stream(self, subscriber_id: int) -> bool:
        """Return whether a user, or the contact of this negative id, has a stream here."""
        return holder(subscriber_id) in self._open

    def __len__(self) -> int:
        """The number of subjects with streams in this process."""
        return len(self._open)

    def reserve(self, subscription: Subscription, limits: Sequence[Limit]) -> Reservation | None:
        """Count a stream before it is open. Return None if a limit is reached.

        A limit of 0 is none. Asks Redis once for all streams that are asked for meanwhile.
        """
        limits = [limit for limit in limits if limit.most]
        if any(self._open[subject] >= most for subject, most in limits):
            return None
        reservation = Reservation(self, subjects_of(subscription), limits)
        if not limits:
            self._grant(reservation)
            return reservation
        self._asked.append(reservation)
        try:
            with self._one_at_a_time:
                while reservation.granted is None:
                    self._flush()
        except BaseException:  # a request that is killed
            reservation.give_back()
            raise
        return reservation if reservation.granted else None

    def count(self, subscription: Subscription) -> None:
        """Count a stream that was not reserved."""
        self._open.update(subjects_of(subscription))

    def release(self, subscription: Subscription) -> None:
        """A stream is closed. Redis is notified soon."""
        self.remove(subjects_of(subscription))

    def remove(self, subjects: Collection[str]) -> None:
        for subject in subjects:
            self._open[subject] -= 1
            if not self._open[subject]:
                del self._open[subject]
            if subject in self._shared:
                self._changed.add(subject)
                self._woken.set()

    # The greenlet

    def run(self) -> None:
        while True:
            if self._woken.wait(RENEWAL):
                sleep(BATCH_DELAY)
            self._woken.clear()
            self.renew()

    def renew(self) -> None:
        """Renew the lease, and notify Redis of closed streams; of all after it was away."""
        with self._one_at_a_time:
            if self._is_stale:
                self._is_stale = False
                self._changed |= self._shared
            self._flush()
            while self._changed and not self._is_stale:
                self._flush()

    def _flush(self) -> None:
        """Send what is asked for and what has changed, up to the limits of a script."""
        asked, self._asked = self._asked[:MAX_STREAMS], self._asked[MAX_STREAMS:]
        changed = [self._changed.pop() for _ in range(min(MAX_SUBJECTS, len(self._changed)))]
        subjects = {*changed, *(limit.subject for stream in asked for limit in stream.limits)}
        numbers = {subject: self._open[subject] for subject in subjects}
        self._shared |= subjects
        try:
            had_lease, granted = self._broker.for_requests.count_streams(
                self._process, LEASE, numbers, [stream.limits for stream in asked]
            )
        except (RedisError, OSError):
            self._is_stale = True
            for stream in asked:
                self._decide(stream, all(self._open[s] < most for s, most in stream.limits))
            return
        except BaseException:  # the greenlet is killed: another one goes on
            self._asked = asked + self._asked
            self._changed.update(changed)
            raise
        for stream, fits in zip(asked, granted, strict=True):
            self._decide(stream, fits)
        for subject in subjects:
            if not self._open[subject] and subject not in self._changed:
                self._shared.discard(subject)
        if not had_lease and self._shared - subjects:
            self._is_stale = True  # it lapsed, or Redis lost its data: others do not count ours
            self._woken.set()

    def _decide(self, stream: Reservation, granted: bool) -> None:
        if granted:
            self._grant(stream)
        else:
            stream.decide(False)

    def _grant(self, stream: Reservation) -> None:
        self._open.update(stream.subjects)
        stream.decide(True)


def subjects_of(subscription: Subscription) -> list[str]:
    """Whose stream it is, and where it comes from, where these are known."""
    subjects = []
    if subscription.user_id is not None:
        subjects.append(holder(subscription.user_id))
    if subscription.address:
        subjects.append(f"address:{subscription.address}")
    return subjects


def holder(subscriber_id: int) -> str:
    """The subject of a user, or of a contact, whose id is negative."""
    return f"user:{subscriber_id}" if subscriber_id >= 0 else f"contact:{-subscriber_id}"
