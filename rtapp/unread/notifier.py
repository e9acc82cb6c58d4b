"""The unread notifier: sends `unread.changed` on the account streams of this process.

It observes the deliveries to account streams, because an event there follows each change of a
number. The numbers are state, not history: they are not replayed, and a stream that goes live
receives the present ones.

An event concerns one conversation, so only that one is counted again, for all its readers at once.
The sets behind the numbers of whole views are queried when a stream goes live, and kept current
from then on.
"""

import json
import logging
import time
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from itertools import islice
from typing import NamedTuple

import gevent
from flask import Flask
from gevent.event import Event

from rtapp.database import is_away
from rtapp.events import announcements
from rtapp.events import audience
from rtapp.events import presenters
from rtapp.realtime.backoff import Backoff
from rtapp.realtime.broker import Message
from rtapp.realtime.broker import Topic
from rtapp.realtime.burst import Ephemeral
from rtapp.realtime.observer import LiveStreams
from rtapp.realtime.observer import Observer
from rtapp.realtime.subscriber import Subscriber

from . import counts
from .capped_id_set import CappedIdSet
from .counts import UnreadState

PAUSE = 0.5  # s between two notifications of a reader: the first is at once, the last is right
READERS_AT_ONCE = 50  # notified in one round; those whose views must be queried come last
MAX_CONVERSATIONS = 500  # conversations in one event: some KiB
MAX_DELIVERIES = 10_000  # kept while the database does not answer; beyond, all is counted again
RETRY_DELAY = (0.5, 2.0)  # s until a database that failed is queried again
SWEEP = 60.0  # s between two sweeps of readers without streams

logger = logging.getLogger(__name__)


class Recipient(NamedTuple):
    """A user with streams of an account."""

    user_id: int
    account_id: int

    @classmethod
    def of(cls, subscriber: Subscriber) -> "Recipient":
        subscription = subscriber.subscription
        assert subscription.user_id is not None
        return cls(subscription.user_id, subscription.account_id)

    @property
    def topic(self) -> Topic:
        """The user's own topic, which all their account streams of this account have."""
        return Topic(self.account_id, audience.of_unread(self.user_id))


class Reader:
    """What is due to a recipient, when, and the conversations that count in their views."""

    __slots__ = ("changed", "due", "id_sets", "recount")

    def __init__(self) -> None:
        self.recount = True  # whether the views must be queried: events may have been missed
        self.changed: set[int] = set()  # conversations whose numbers may have changed
        self.due = 0.0
        self.id_sets: dict[str, CappedIdSet] = {}

    def put(self, id: int, state: UnreadState | None) -> int:
        """Count a conversation in the views of its state. Return its number of unread messages."""
        for view, id_set in self.id_sets.items():
            id_set.put(id, counted=state is not None and view in state.views)
        return state.unread if state is not None else 0


class UnreadNotifier(Observer):
    """One per process."""

    def __init__(self, app: Flask):
        self._app = app
        self._deliveries: list[tuple[Collection[Subscriber], Iterable[Message | Ephemeral]]] = []
        self._overflowed = False  # whether deliveries were dropped
        self._readers: dict[Recipient, Reader] = {}
        self._waiting: dict[Recipient, Reader] = {}  # those that are due a notification
        self._woken = Event()
        self._swept_at = time.monotonic()
        self._backoff = Backoff(
            logger, "Unread numbers can't be counted", *RETRY_DELAY, away=is_away
        )

    def observes(self, topic: Topic) -> bool:
        return audience.is_of_lists(topic.name)

    def delivered(
        self, subscribers: Collection[Subscriber], events: Iterable[Message | Ephemeral]
    ) -> None:
        if len(self._deliveries) < MAX_DELIVERIES:
            self._deliveries.append((subscribers, events))
        else:
            self._overflowed = True
        self._woken.set()

    def went_live(self, subscriber: Subscriber) -> None:
        self._enqueue(Recipient.of(subscriber)).recount = True
        self._woken.set()

    def rights_changed(self, subscriber: Subscriber) -> None:
        # Numbers may have been counted under rights that have been taken back since.
        self.went_live(subscriber)

    def run(self, streams: LiveStreams) -> None:
        while True:
            self._woken.wait(self._idle_for())
            self._woken.clear()
            began = time.monotonic()
            try:
                self._assign_deliveries()
                self._sweep(streams)
                self._notify(streams, self._due())
                # Others get at least as much of the time, however much there is to count.
                gevent.sleep(time.monotonic() - began)
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)

    def _idle_for(self) -> float:
        """Seconds until a reader is due."""
        due = min((reader.due for reader in self._waiting.values()), default=None)
        return SWEEP if due is None else max(0, due - time.monotonic())

    def _enqueue(self, recipient: Recipient) -> Reader:
        reader = self._readers.get(recipient)
        if reader is None:
            reader = self._readers[recipient] = Reader()
        self._waiting[recipient] = reader
        return reader

    def _assign_deliveries(self) -> None:
        """Enqueue the recipients of the deliveries, with the conversations that have changed."""
        if self._overflowed:
            self._overflowed = False
            for recipient in self._readers:
                self._enqueue(recipient).recount = True
        deliveries, self._deliveries = self._deliveries, []
        gathered: dict[int, tuple[Collection[Subscriber], Changes]] = {}
        for subscribers, events in deliveries:
            _, changes = gathered.setdefault(id(subscribers), (subscribers, Changes()))
            changes.add(events)
        for subscribers, changes in gathered.values():
            if changes.conversations or changes.recount:
                for recipient in {Recipient.of(subscriber) for subscriber in subscribers}:
                    reader = self._enqueue(recipient)
                    reader.changed |= changes.conversations
                    reader.recount |= changes.recount

    def _sweep(self, streams: LiveStreams) -> None:
        if time.monotonic() - self._swept_at > SWEEP:
            self._swept_at = time.monotonic()
            for recipient in list(self._readers):
                if recipient not in self._waiting and not streams.any_live(recipient.topic):
                    del self._readers[recipient]

    def _due(self) -> list[Recipient]:
        now = time.monotonic()
        due = [recipient for recipient, reader in self._waiting.items() if reader.due <= now]
        due.sort(key=lambda recipient: self._waiting[recipient].recount)
        return due[:READERS_AT_ONCE]

    def _notify(self, streams: LiveStreams, recipients: Iterable[Recipient]) -> None:
        """Count for these recipients, and push the numbers. After a failure they stay due."""
        with self._app.app_context():
            for (_, ids), group in self._grouped(streams, recipients).items():
                states = counts.unread_states([recipient.user_id for recipient in group], ids)
                for recipient in group:
                    self._notify_one(streams, recipient, ids, states)
                gevent.sleep(0)

    def _grouped(
        self, streams: LiveStreams, recipients: Iterable[Recipient]
    ) -> dict[tuple[int, frozenset[int]], list[Recipient]]:
        """The recipients by account and by the conversations to count for them."""
        groups: dict[tuple[int, frozenset[int]], list[Recipient]] = {}
        for recipient in recipients:
            reader = self._waiting[recipient]
            if not streams.any_live(recipient.topic):
                del self._waiting[recipient], self._readers[recipient]
                continue
            if reader.recount:
                reader.recount = False  # before the query: what is missed from here on sets it
                try:
                    reader.id_sets = counts.id_sets(*recipient)
                    reader.changed.update(counts.newest(*recipient))
                except Exception:
                    reader.recount = True
                    raise
                gevent.sleep(0)
            ids = frozenset(islice(reader.changed, MAX_CONVERSATIONS))
            groups.setdefault((recipient.account_id, ids), []).append(recipient)
        return groups

    def _notify_one(
        self,
        streams: LiveStreams,
        recipient: Recipient,
        ids: Iterable[int],
        states: Mapping[tuple[int, int], UnreadState],
    ) -> None:
        reader = self._waiting[recipient]
        numbers = {id: reader.put(id, states.get((recipient.user_id, id))) for id in ids}
        if not all(id_set.exact for id_set in reader.id_sets.values()):
            reader.id_sets = counts.id_sets(*recipient)
        views = {view: id_set.count for view, id_set in reader.id_sets.items()}
        data = {"account_id": recipient.account_id, **presenters.unread(numbers, views)}
        event = announcements.ephemeral(recipient.topic, "unread.changed", data)
        streams.push(recipient.topic, event)
        reader.changed.difference_update(ids)
        reader.due = time.monotonic() + PAUSE
        if not reader.changed and not reader.recount:
            del self._waiting[recipient]


class Changes:
    """The conversations whose numbers may have changed with some events."""

    def __init__(self) -> None:
        self.conversations: set[int] = set()
        self.recount = False  # whether the events do not name all of them

    def add(self, events: Iterable[Message | Ephemeral]) -> None:
        for message in events:
            if not isinstance(message, Message):
                continue
            if message.event.startswith("conversation."):
                try:
                    envelope = json.loads(message.body)
                    # A thread on the same connection also receives what others have read.
                    if envelope["stream"].startswith("account:"):
                        self.conversations.add(int(envelope["data"]["id"]))
                except (ValueError, KeyError, TypeError):
                    logger.exception("%s is not as it was made here", message.event)
                    self.recount = True
