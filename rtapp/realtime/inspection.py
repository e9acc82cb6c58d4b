"""Inspection: the open streams of an account, in all processes, and the end of one of them.

Each process knows its own streams only. A question is published to every process, which reads what
it has at that moment and answers. Without a question, none of this costs anything.
"""

from __future__ import annotations

import json
import logging
import secrets
import time
from typing import Any
from typing import NamedTuple

from gevent.pool import Pool

from .broker import Broker
from .cursor import Cursor
from .hub import Hub
from .incidents import Incident
from .incidents import Incidents
from .scheduling import yield_to_loop
from .subscriber import State
from .subscriber import Subscriber
from .topics import Topics

PATIENCE = (
    0.3  # s for the answers of all processes: less than REQUEST_TIMEOUT, by Redis's own tenth
)
AT_ONCE = 4  # questions that a process answers at once; it drops more
SHOWN = 200  # streams that a process lists
STREAMS_PER_TURN = 1000  # looked at before others get a turn

logger = logging.getLogger(__name__)


class OpenStream(NamedTuple):
    """A stream of an account.

    `user_id` is the negative of a contact's id for a customer. `since` is Unix time in s, `cursor`
    the newest event written to the socket, `newest` that which its process has received for it.
    `lag` is the time between the two in s, None while Redis or the database is away. `unsent`:
    bytes that the socket has not taken, for `blocked` s.
    """

    id: str
    user_id: int
    streams: list[str]
    format: str
    address: str
    user_agent: str
    since: float
    state: str
    cursor: str | None
    newest: str | None
    lag: float | None
    unsent: int
    blocked: float


class Report(NamedTuple):
    """What the processes that have `answered`, of those that were `asked`, have of an account.
    `total` counts the streams that are not listed, too."""

    asked: int
    answered: int
    total: int
    streams: list[OpenStream]
    incidents: list[Incident]


class Ending(NamedTuple):
    """Whether a process has ended the stream, and whether all processes have answered."""

    ended: bool
    complete: bool


class Inspection:
    def __init__(self, broker: Broker, hub: Hub, topics: Topics, incidents: Incidents):
        self._broker = broker
        self._hub = hub
        self._topics = topics
        self._incidents = incidents
        self._process = secrets.token_hex(4)
        self._answers = Pool(AT_ONCE)

    # Asking

    def report(self, account_id: int) -> Report:
        """Return the streams of the account, and its resets and gaps, the newest first. Raises
        RedisError or OSError."""
        asked, answers = self._ask({"account_id": account_id})
        streams = [OpenStream(**row) for answer in answers for row in answer["streams"]]
        incidents = [Incident(**row) for answer in answers for row in answer["incidents"]]
        return Report(
            asked=asked,
            answered=len(answers),
            total=sum(answer["total"] for answer in answers),
            streams=sorted(streams, key=lambda s: (-(s.lag or 0), -s.blocked, s.since, s.id)),
            incidents=sorted(incidents, reverse=True),
        )

    def end(self, account_id: int, stream_id: str) -> Ending:
        """End the account's stream with this id, in whatever process it is. Raises RedisError or
        OSError: then it may have been ended or not."""
        asked, answers = self._ask({"account_id": account_id, "end": stream_id})
        return Ending(any(answer["ended"] for answer in answers), len(answers) >= asked > 0)

    def _ask(self, question: dict[str, Any]) -> tuple[int, list[dict[str, Any]]]:
        broker = self._broker.for_requests
        asked, texts = broker.ask_processes(json.dumps(question), PATIENCE)
        # A question whose connection was lost may have been published twice.
        answers = {answer["process"]: answer for answer in map(json.loads, texts)}
        return asked, list(answers.values())

    # Answering

    def asked(self, payload: bytes) -> None:
        """Answer a question that was published, in a greenlet of its own."""
        if not self._answers.full():
            self._answers.spawn(self._answer, payload)

    def stop(self) -> None:
        self._answers.kill()

    def _answer(self, payload: bytes) -> None:
        try:
            key, _, text = payload.decode().partition(" ")
            question = json.loads(text)
            account_id, stream_id = question["account_id"], question.get("end")
            answer = (
                self._report(account_id) if stream_id is None else self._end(account_id, stream_id)
            )
            self._broker.answer(key, json.dumps({"process": self._process, **answer}))
        except Exception as error:  # the administrator reads that a process has not answered
            logger.warning("A question about open streams is not answered: %s", error)

    def _report(self, account_id: int) -> dict[str, Any]:
        now, blocked = time.monotonic(), dict(self._hub.blocked())
        total, listed = self._of(account_id)
        return {
            "total": total,
            "streams": [self._row(s, now - blocked.get(s, now))._asdict() for s in listed],
            "incidents": [incident._asdict() for incident in self._incidents.of(account_id)],
        }

    def _of(self, account_id: int) -> tuple[int, list[Subscriber]]:
        """The number of the account's streams, and at most SHOWN: first those that are behind."""
        total = 0
        behind: list[Subscriber] = []
        others: list[Subscriber] = []
        for number, subscriber in enumerate(self._hub.subscribers(), start=1):
            if number % STREAMS_PER_TURN == 0:
                yield_to_loop()
            if is_of(subscriber, account_id):
                total += 1
                is_live = subscriber.state is State.LIVE and not subscriber.unsent
                (others if is_live else behind).append(subscriber)
        return total, [s for s in (*behind, *others) if s.state is not State.CLOSED][:SHOWN]

    def _row(self, subscriber: Subscriber, blocked: float) -> OpenStream:
        subscription, cursor = subscriber.subscription, subscriber.cursor
        newest = self._newest(subscriber)
        return OpenStream(
            id=self._id(subscriber),
            user_id=subscription.user_id or 0,
            streams=list(subscription.streams),
            format=subscription.format,
            address=subscription.address,
            user_agent=subscription.user_agent,
            since=subscriber.since,
            state=subscriber.state.value,
            cursor=str(cursor) if cursor is not None else None,
            newest=str(newest) if newest is not None else None,
            lag=lag(cursor, newest),
            unsent=len(subscriber.unsent),
            blocked=round(blocked, 1),
        )

    def _newest(self, subscriber: Subscriber) -> Cursor | None:
        """The newest event of its topics that this process has received, or the subscriber's own
        position beyond that; None if it can't be known."""
        positions = [channel.position for channel in self._topics.of(subscriber.topics)]
        if not positions or not self._topics.subscribed(subscriber.topics):
            return None
        known = [position for position in (*positions, subscriber.cursor) if position is not None]
        return max(known, default=None)

    def _end(self, account_id: int, stream_id: str) -> dict[str, Any]:
        for subscriber in self._hub.subscribers():
            if is_of(subscriber, account_id) and self._id(subscriber) == stream_id:
                self._hub.close(subscriber, "ended")
                return {"ended": True}
        return {"ended": False}

    def _id(self, subscriber: Subscriber) -> str:
        """A descriptor is used again, but not in the same microsecond."""
        return f"{self._process}-{subscriber.fd}-{round(subscriber.since * 1_000_000)}"


def is_of(subscriber: Subscriber, account_id: int) -> bool:
    return subscriber.state is not State.CLOSED and subscriber.subscription.account_id == account_id


def lag(cursor: Cursor | None, newest: Cursor | None) -> float | None:
    if cursor is None or newest is None or cursor.epoch != newest.epoch:
        return None
    return max(0, newest.ms - cursor.ms) / 1000
