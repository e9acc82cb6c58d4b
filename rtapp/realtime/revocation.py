"""Revocation: a stream whose right has ended is closed, one with other rights is changed.

A control message names the user or the stream to authorise again at once. A sweep authorises every
open stream again within SWEEP seconds, in case a control message is lost.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextlib import nullcontext
from dataclasses import replace

import gevent
from gevent.lock import Semaphore
from gevent.pool import Pool

from .backoff import Backoff
from .backoff import redis_is_away
from .hub import SWEEPS
from .hub import Hub
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .subscriber import Subscription

SWEEP = 55.0  # s in which every open stream is authorised again: 60 are promised
STOP_LIMIT = 5.0  # s that checks under way may take at the end
RETRY_DELAY = (0.5, 2.0)  # s: the first, and the longest
TOGETHER = 50  # questions asked in a row, some milliseconds, before others get a turn
CREDENTIALS = 10  # which these questions have at most: each takes queries of its own

# Returns what a subscription is allowed now, or the reason for which its stream must be closed. A
# question is not `authorised` if the stream is new, or was reset since it was authorised. An answer
# is not if more topics follow: as soon as a reset is published, which goes to the stream, too.
Authorise = Callable[[Subscription], Subscription | str]
Question = tuple[Subscriber, Subscription]  # of a stream, and what is asked
# A block in which these questions are asked one after another, those of a credential in a row: what
# they have in common may be read once.
Together = Callable[[Sequence[Subscription]], AbstractContextManager[object]]

logger = logging.getLogger(__name__)


class Revocation:
    def __init__(
        self,
        hub: Hub,
        authorise: Authorise,
        on_rights_changed: Callable[[Subscriber], object] = lambda _: None,
        away: Callable[[BaseException], bool] = redis_is_away,
        together: Together = nullcontext,
    ):
        self._hub = hub
        self._authorise = authorise
        self._on_rights_changed = on_rights_changed
        self._away = away
        self._together = together
        self._backoff = Backoff(
            logger, "Open streams can't be authorised again", *RETRY_DELAY, away=away
        )
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
        """Rights end as soon as there is an answer: a database that is away is asked again."""
        while not self._try(subscribers):
            pass
        for subscriber in subscribers:
            if subscriber.state is not State.CLOSED:
                self._on_rights_changed(subscriber)

    def stop(self) -> None:
        """Wait for the checks under way: each has a connection to the database."""
        self._checks.join(STOP_LIMIT)
        self._checks.kill()

    def run(self) -> None:
        due = time.monotonic()
        owed: set[Subscriber] = set()  # those of earlier steps without an answer
        while True:
            for step in range(SWEEPS):
                # By the clock: a slow step must not lengthen the sweep.
                due += SWEEP / SWEEPS
                gevent.sleep(max(0, due - time.monotonic()))
                owed |= self._hub.by_credential(step)
                if self._try(owed):
                    owed.clear()

    def run_admission(self) -> None:
        """Authorise the streams that were accepted without the database, as soon as it is back."""
        while True:
            pending = self._hub.wait_for_pending()
            while not self._try(pending):
                pass

    def _try(self, subscribers: Iterable[Subscriber]) -> bool:
        """Authorise streams again. Return whether all were; if not, after a pause."""
        try:
            self.recheck(subscribers)
        except Exception as error:
            # No answer is no reason to close a stream.
            self._backoff.wait(error)
            return False
        self._backoff.succeeded()
        return True

    def recheck(self, subscribers: Iterable[Subscriber]) -> None:
        """Authorise streams again: close those that are not allowed, change the others.

        Streams with equal rights share a query. One check runs at a time: of two at once, the one
        that queried earlier could decide last. An answer from before a reset does not count for a
        stream that has received it since: `run_admission` asks for it. Raises what `authorise`
        raises: an error of one question after all others were asked, unless there are no answers.
        """
        with self._one_at_a_time:
            self._recheck(tuple(subscribers))

    def _recheck(self, subscribers: Iterable[Subscriber]) -> None:
        answers: dict[Subscription, Subscription | str] = {}
        failed: Exception | None = None
        questions = [(s, question_of(s)) for s in subscribers]
        questions.sort(key=lambda pair: pair[1].credential)
        for number, asked in enumerate(in_parts(questions)):
            if number:
                yield_to_loop()
            with self._together([question for _, question in asked]):
                failed = self._answer(asked, answers) or failed
        if failed is not None:
            raise failed

    def _answer(
        self,
        questions: Iterable[Question],
        answers: dict[Subscription, Subscription | str],
    ) -> Exception | None:
        """Ask what `answers` lack, and do what they say. Return an error of one question."""
        failed: Exception | None = None
        for subscriber, question in questions:
            if subscriber.state is State.CLOSED:
                continue
            if question not in answers:
                try:
                    answers[question] = self._authorise(question)
                except Exception as error:
                    if self._away(error):
                        raise
                    failed = error
                    continue
            allowed = answers[question]
            if question_of(subscriber) != question:
                continue
            if isinstance(allowed, str):
                self._hub.close(subscriber, allowed)
            else:
                self._hub.change(subscriber, allowed)
        return failed


def in_parts(questions: list[Question]) -> Iterator[list[Question]]:
    """Split questions, sorted by credential, into such that are asked in a row."""
    part: list[Question] = []
    credentials: set[str] = set()
    for asked in questions:
        credentials.add(asked[1].credential)
        if len(part) == TOGETHER or len(credentials) > CREDENTIALS:
            yield part
            part, credentials = [], {asked[1].credential}
        part.append(asked)
    if part:
        yield part


def question_of(subscriber: Subscriber) -> Subscription:
    return replace(
        subscriber.subscription,
        format="",
        address="",
        user_agent="",
        wait=0,
        authorised=subscriber.state is not State.PENDING,
    )
