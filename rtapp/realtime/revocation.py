"""Access that is taken away ends the streams that it allowed.

A control message names the user whose streams are to be authorised again, at once; a sweep asks
for everyone's within SWEEP seconds, should a control message be lost.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from collections.abc import Iterable
from typing import TYPE_CHECKING

import gevent

from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription

if TYPE_CHECKING:
    from .hub import Hub

SWEEP = 60.0  # s in which every open stream is authorised again
STEPS = 60  # parts in which a sweep goes round, so that it delays nobody

# What a subscription is allowed today, or the reason for which its stream must be closed.
Authorise = Callable[[Subscription], Subscription | str]

logger = logging.getLogger(__name__)


class Revocation:
    def __init__(self, hub: Hub, authorise: Authorise):
        self._hub = hub
        self._authorise = authorise

    def recheck_user(self, user_id: int) -> None:
        """Authorises the user's streams again, in a greenlet of its own: each takes queries."""
        streams = [s for s in self._hub.subscribers() if s.subscription.user_id == user_id]
        if streams:
            gevent.spawn(self.recheck, streams)

    def run(self) -> None:
        while True:
            everyone = self._hub.subscribers()
            for step in range(STEPS):
                gevent.sleep(SWEEP / STEPS)
                self.recheck(everyone[step::STEPS])

    def recheck(self, subscribers: Iterable[Subscriber]) -> None:
        for subscriber in subscribers:
            if subscriber.state is State.CLOSED:
                continue
            try:
                allowed = self._authorise(subscriber.subscription)
            except Exception:
                # Not knowing is no reason to cut a stream: the next sweep asks again.
                logger.exception("Authorising an open stream again failed")
                return
            if isinstance(allowed, str):
                self._hub.close(subscriber, allowed)
            elif allowed.topics != subscriber.subscription.topics:
                self._hub.change_topics(subscriber, allowed)
            gevent.sleep(0)
