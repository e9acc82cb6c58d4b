"""Access that is taken away ends the streams that it allowed.

A control message names the user or the stream that is to be authorised again, at once; a sweep asks
for everyone's within SWEEP seconds, should a control message be lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import gevent
from gevent.lock import Semaphore
from gevent.pool import Pool

from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription

if TYPE_CHECKING:
    from .hub import Hub

SWEEP = 55.0  # s in which every open stream is authorised again: 60 are promised
STOP_LIMIT = 5.0  # s that checks under way may take at the end
STEPS = 60  # parts in which a sweep goes round, so that it delays nobody

# What a subscription is allowed today, or the reason for which its stream must be closed.
Authorise = Callable[[Subscription], Subscription | str]

logger = logging.getLogger(__name__)


class Revocation:
    def __init__(self, hub: Hub, authorise: Authorise):
        self._hub = hub
        self._authorise = authorise
        self._checks = Pool()
        self._one_by_one = Semaphore()

    def recheck_these(self, whose: str) -> None:
        """Authorises a user's streams again, or those of a name, in a greenlet of its own: each
        takes queries."""
        streams = [
            s
            for s in self._hub.subscribers()
            if whose in (str(s.subscription.user_id), *s.subscription.streams)
        ]
        if streams:
            self._checks.spawn(self.recheck, streams)

    def stop(self) -> None:
        """Waits for the checks under way: each has a connection to the database."""
        self._checks.join(STOP_LIMIT)
        self._checks.kill()

    def run(self) -> None:
        due = time.monotonic()
        while True:
            for step in range(STEPS):
                # By the clock: what a step takes must not lengthen the sweep.
                due += SWEEP / STEPS
                gevent.sleep(max(0, due - time.monotonic()))
                everyone = self._hub.subscribers()
                self.recheck(
                    [s for s in everyone if hash(s.subscription.credential) % STEPS == step]
                )

    def recheck(self, subscribers: Iterable[Subscriber]) -> None:
        """Closes those of the streams that are not allowed any more, and re-topics the others.

        Streams alike in everything but their place are asked about once. One check after the other:
        of two at once, the one that asked earlier could have the last word.
        """
        with self._one_by_one:
            self._recheck(subscribers)

    def _recheck(self, subscribers: Iterable[Subscriber]) -> None:
        answers: dict[Subscription, Subscription | str] = {}
        for subscriber in subscribers:
            if subscriber.state is State.CLOSED:
                continue
            topics = subscriber.heard_topics()
            question = replace(subscriber.subscription, topics=topics, format="", address="")
            try:
                if question not in answers:
                    answers[question] = self._authorise(question)
                    yield_to_loop()
            except Exception:
                # Not knowing is no reason to cut a stream: the next sweep asks again.
                logger.exception("Authorising an open stream again failed")
                return
            allowed = answers[question]
            if isinstance(allowed, str):
                self._hub.close(subscriber, allowed)
            else:
                self._hub.change(subscriber, allowed)
