"""Revocation: a stream whose right has ended is closed, one with other rights is changed.

A control message names the user or the stream to authorise again at once. A sweep authorises every
open stream again within SWEEP seconds, in case a control message is lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import replace

import gevent
from gevent.lock import Semaphore
from gevent.pool import Pool

from .hub import Hub
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription

SWEEP = 55.0  # s in which every open stream is authorised again: 60 are promised
STOP_LIMIT = 5.0  # s that checks under way may take at the end
STEPS = 60  # parts of a sweep, so that it delays nothing else

# Returns what a subscription is allowed now, or the reason for which its stream must be closed.
Authorise = Callable[[Subscription], Subscription | str]

logger = logging.getLogger(__name__)


class Revocation:
    def __init__(
        self,
        hub: Hub,
        authorise: Authorise,
        on_rights_changed: Callable[[Subscriber], object] = lambda _: None,
    ):
        self._hub = hub
        self._authorise = authorise
        self._on_rights_changed = on_rights_changed
        self._checks = Pool()
        self._one_at_a_time = Semaphore()

    def recheck_named(self, name: str) -> None:
        """Authorise the streams of a user id, or of a stream's name, again: in a greenlet of its
        own, because each takes queries."""
        streams = [
            s
            for s in self._hub.subscribers()
            if name in (str(s.subscription.user_id), *s.subscription.streams)
        ]
        if streams:
            self._checks.spawn(self._recheck_changed, streams)

    def _recheck_changed(self, subscribers: list[Subscriber]) -> None:
        self.recheck(subscribers)
        for subscriber in subscribers:
            if subscriber.state is not State.CLOSED:
                self._on_rights_changed(subscriber)

    def stop(self) -> None:
        """Wait for the checks under way: each has a connection to the database."""
        self._checks.join(STOP_LIMIT)
        self._checks.kill()

    def run(self) -> None:
        due = time.monotonic()
        while True:
            for step in range(STEPS):
                # By the clock: a slow step must not lengthen the sweep.
                due += SWEEP / STEPS
                gevent.sleep(max(0, due - time.monotonic()))
                self.recheck(
                    [
                        s
                        for s in self._hub.subscribers()
                        if hash(s.subscription.credential) % STEPS == step
                    ]
                )

    def recheck(self, subscribers: Iterable[Subscriber]) -> None:
        """Authorise streams again: close those that are not allowed, change the others.

        Streams with equal rights share a query. One check runs at a time: of two at once, the one
        that queried earlier could decide last.
        """
        with self._one_at_a_time:
            self._recheck(subscribers)

    def _recheck(self, subscribers: Iterable[Subscriber]) -> None:
        answers: dict[Subscription, Subscription | str] = {}
        for subscriber in subscribers:
            if subscriber.state is State.CLOSED:
                continue
            question = replace(subscriber.subscription, format="", address="")
            try:
                if question not in answers:
                    answers[question] = self._authorise(question)
                    yield_to_loop()
            except Exception:
                # No answer is no reason to close a stream: the next sweep authorises it again.
                logger.exception("Authorising an open stream again failed")
                return
            allowed = answers[question]
            if isinstance(allowed, str):
                self._hub.close(subscriber, allowed)
            else:
                self._hub.change(subscriber, allowed)
