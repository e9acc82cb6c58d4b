"""Telling users how much they have not read: `unread.changed` on their account streams.

Every process tells the streams that it holds, by what it hears on their topics: whatever changes a
number is followed by an event there. The numbers are state, not history: nothing is replayed, and
a stream that goes live is told what there is now.

What an event may have changed is one conversation, so only that is counted again, for everyone
concerned at once. What stands in whole views is counted when somebody's stream goes live, and kept
up from then on.
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
from sqlalchemy.exc import SQLAlchemyError

from rtapp.events import announcements
from rtapp.events import audience
from rtapp.events import presenters
from rtapp.realtime.broker import Message
from rtapp.realtime.broker import Topic
from rtapp.realtime.frames import RESET
from rtapp.realtime.hub import Hub
from rtapp.realtime.observer import Observer
from rtapp.realtime.subscriber import Ephemeral
from rtapp.realtime.subscriber import State
from rtapp.realtime.subscriber import Subscriber

from . import counts
from .capped_id_set import CappedIdSet
from .counts import UnreadState

PAUSE = 0.5  # s between two tellings of one user: the first is at once, the last is right
READERS_AT_ONCE = 50  # told in one round; those who wait for the views of a new stream come last
TOLD_AT_ONCE = 500  # conversations in one event: some KiB
HEARD_LIMIT = 10_000  # messages kept while the database does not answer; more, and all is counted
RETRY_DELAY = 1.0  # s until a database that failed is asked again
SWEEP = 60.0  # s between two looks for readers whose streams are gone

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
        """Their own, to which all their account streams of this account listen, and no other."""
        return Topic(self.account_id, audience.of_unread(self.user_id))


class Reader:
    """What is to be told to a recipient, when, and what stands in their views."""

    __slots__ = ("anew", "changed", "due", "id_sets")

    def __init__(self) -> None:
        self.anew = True  # whether all is to be counted, because something may have been missed
        self.changed: set[int] = set()  # conversations whose numbers may have changed
        self.due = 0.0
        self.id_sets: dict[str, CappedIdSet] = {}

    def put(self, id: int, unread_state: UnreadState | None) -> int:
        """Takes note of how a conversation stands. Returns how much of it is unread."""
        for view, id_set in self.id_sets.items():
            id_set.put(id, unread_state is not None and view in unread_state.views)
        return unread_state.unread if unread_state is not None else 0


class UnreadNotifier(Observer):
    """One per process."""

    def __init__(self, app: Flask):
        self._app = app
        self._heard: list[tuple[Collection[Subscriber], Iterable[Message | Ephemeral]]] = []
        self._readers: dict[Recipient, Reader] = {}
        self._waiting: dict[Recipient, Reader] = {}  # those of them who are to be told something
        self._lost = False  # whether there was more to hear than is kept
        self._woken = Event()
        self._swept = time.monotonic()

    def observes(self, topic: Topic) -> bool:
        return audience.is_of_lists(topic.name)

    def heard(
        self, subscribers: Collection[Subscriber], said: Iterable[Message | Ephemeral]
    ) -> None:
        if len(self._heard) < HEARD_LIMIT:
            self._heard.append((subscribers, said))
        else:
            self._lost = True
        self._woken.set()

    def went_live(self, subscriber: Subscriber) -> None:
        self._wait(Recipient.of(subscriber)).anew = True
        self._woken.set()

    def run(self, hub: Hub) -> None:
        while True:
            self._woken.wait(self._pause())
            self._woken.clear()
            began = time.monotonic()
            try:
                self._sort()
                self._sweep(hub)
                self._tell(hub, self._due())
                # Others get at least as much of the time, however much there is to count.
                gevent.sleep(time.monotonic() - began)
            except SQLAlchemyError as error:
                logger.warning("What is unread can't be counted (%s); trying again", error)
                gevent.sleep(RETRY_DELAY)
            except Exception:
                logger.exception("What is unread can't be told; trying again")
                gevent.sleep(RETRY_DELAY)

    def _pause(self) -> float:
        """s until somebody is due, if nothing happens before."""
        due = min((reader.due for reader in self._waiting.values()), default=None)
        return SWEEP if due is None else max(0, due - time.monotonic())

    def _wait(self, recipient: Recipient) -> Reader:
        reader = self._readers.get(recipient)
        if reader is None:
            reader = self._readers[recipient] = Reader()
        self._waiting[recipient] = reader
        return reader

    def _sort(self) -> None:
        """Who is concerned by what was heard."""
        if self._lost:
            self._lost = False
            for recipient in self._readers:
                self._wait(recipient).anew = True
        heard, self._heard = self._heard, []
        gathered: dict[int, tuple[Collection[Subscriber], Concern]] = {}
        for subscribers, said in heard:
            _, concern = gathered.setdefault(id(subscribers), (subscribers, Concern()))
            concern.add(said)
        for subscribers, concern in gathered.values():
            if concern.changed or concern.anew:
                for recipient in {Recipient.of(subscriber) for subscriber in subscribers}:
                    reader = self._wait(recipient)
                    reader.changed |= concern.changed
                    reader.anew |= concern.anew

    def _sweep(self, hub: Hub) -> None:
        if time.monotonic() - self._swept > SWEEP:
            self._swept = time.monotonic()
            for recipient in list(self._readers):
                if recipient not in self._waiting and not streams_of(hub, recipient):
                    del self._readers[recipient]

    def _due(self) -> list[Recipient]:
        now = time.monotonic()
        due = [recipient for recipient, reader in self._waiting.items() if reader.due <= now]
        due.sort(key=lambda recipient: self._waiting[recipient].anew)
        return due[:READERS_AT_ONCE]

    def _tell(self, hub: Hub, recipients: Iterable[Recipient]) -> None:
        """Counts for these recipients, and tells them. Should it fail, they go on waiting."""
        with self._app.app_context():
            for (_, ids), group in self._gathered(hub, recipients).items():
                unread_states = counts.unread_states(
                    [recipient.user_id for recipient in group], ids
                )
                for recipient in group:
                    self._tell_one(hub, recipient, ids, unread_states)
                gevent.sleep(0)

    def _gathered(
        self, hub: Hub, recipients: Iterable[Recipient]
    ) -> dict[tuple[int, frozenset[int]], list[Recipient]]:
        """The recipients by account and by the conversations that are to be counted for them."""
        groups: dict[tuple[int, frozenset[int]], list[Recipient]] = {}
        for recipient in recipients:
            reader = self._waiting[recipient]
            if not streams_of(hub, recipient):
                del self._waiting[recipient], self._readers[recipient]
                continue
            if reader.anew:
                reader.anew = False  # and again, if something is missed from here on
                try:
                    reader.id_sets = counts.id_sets(*recipient)
                    reader.changed.update(counts.newest(*recipient))
                except Exception:
                    reader.anew = True
                    raise
                gevent.sleep(0)
            ids = frozenset(islice(reader.changed, TOLD_AT_ONCE))
            groups.setdefault((recipient.account_id, ids), []).append(recipient)
        return groups

    def _tell_one(
        self,
        hub: Hub,
        recipient: Recipient,
        ids: Iterable[int],
        unread_states: Mapping[tuple[int, int], UnreadState],
    ) -> None:
        reader = self._waiting[recipient]
        numbers = {id: reader.put(id, unread_states.get((recipient.user_id, id))) for id in ids}
        if not all(id_set.exact for id_set in reader.id_sets.values()):
            reader.id_sets = counts.id_sets(*recipient)
        views = {view: id_set.count for view, id_set in reader.id_sets.items()}
        push(hub, recipient, presenters.unread(numbers, views))
        reader.changed.difference_update(ids)
        reader.due = time.monotonic() + PAUSE
        if not reader.changed and not reader.anew:
            del self._waiting[recipient]


class Concern:
    """What messages say of conversations whose numbers they may have changed."""

    def __init__(self) -> None:
        self.changed: set[int] = set()
        self.anew = False

    def add(self, said: Iterable[Message | Ephemeral]) -> None:
        for message in said:
            if not isinstance(message, Message):
                continue
            if message.event == RESET:
                self.anew = True
            elif message.event.startswith("conversation."):
                try:
                    envelope = json.loads(message.body)
                    # A thread that shares the connection also says what others have read.
                    if envelope["stream"].startswith("account:"):
                        self.changed.add(int(envelope["data"]["id"]))
                except (ValueError, KeyError, TypeError):
                    logger.exception("%s is not as it was made here", message.event)
                    self.anew = True


def streams_of(hub: Hub, recipient: Recipient) -> list[Subscriber]:
    """The recipient's account streams that are live: the others are told when they are."""
    channel = hub.channels.get(recipient.topic.channel.encode())
    subscribers = channel.subscribers if channel is not None else ()
    return [subscriber for subscriber in subscribers if subscriber.state is State.LIVE]


def push(hub: Hub, recipient: Recipient, numbers: Mapping[str, object]) -> None:
    data = {"account_id": recipient.account_id, **numbers}
    event = announcements.ephemeral(recipient.topic, "unread.changed", data)
    frames: dict[str, bytes] = {}
    for subscriber in streams_of(hub, recipient):
        format = subscriber.subscription.format
        if format not in frames:
            frames[format] = hub.frames.ephemeral(event, format)
        if subscriber.state is State.LIVE and frames[format]:
            hub.push(subscriber, frames[format])
