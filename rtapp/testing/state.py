"""State + events == fresh state: a state that a client fetched and updated by events alone equals
a state that another client fetches now."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask

from rtapp import auth
from rtapp.events.catalogue import EPHEMERAL
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.streams.base import allowed_to

from .clients import ApiClient
from .clients import outbox_drained
from .subscription import Subscription

ACCOUNT = 1

Rows = dict[int, dict[str, Any]]


class State:
    """The lists and some threads in a user's client: fetched at first, then updated by `apply`.

    For an event `<noun>.<verb>` of an application, a subclass has a method `_<noun>_<verb>` that
    takes the event's data, and overrides `shown` to include what the method changes.
    """

    def __init__(self, client: ApiClient, *conversation_ids: int):
        listed = read(client, f"/accounts/{ACCOUNT}/conversations?limit=100")
        notified = read(client, f"/accounts/{ACCOUNT}/notifications?limit=100")
        self.cursor: str = listed["cursor"]
        self.streams = [f"account:{ACCOUNT}"]
        self.conversations: Rows = by_id(listed["conversations"])
        self.notifications: Rows = by_id(notified["notifications"])
        self.threads: dict[int, Rows] = {}
        for id in conversation_ids:
            thread = read(client, f"/conversations/{id}/messages?limit=100")
            if "messages" in thread:
                self.streams.append(f"conversation:{id}")
                self.threads[id] = by_id(thread["messages"])

    def apply(self, event: str, data: dict[str, Any]) -> None:
        """Update the state by a durable event. Ephemeral events change no row and are ignored."""
        if event in EPHEMERAL:
            return
        noun, _, verb = event.partition(".")
        getattr(self, f"_{noun}_{verb}")(data)

    def _message_created(self, data: dict[str, Any]) -> None:
        newer(self.threads[data["conversation_id"]], data)

    _message_updated = _message_created

    def _message_deleted(self, data: dict[str, Any]) -> None:
        merge(self.threads[data["conversation_id"]], {**data, "content": ""})

    def _conversation_created(self, data: dict[str, Any]) -> None:
        newer(self.conversations, data)
        self._drop_spam(data)

    _conversation_updated = _conversation_created

    def _conversation_status_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "status", "version")})
        self._drop_spam(data)

    def _conversation_assignee_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "assignee", "version")})

    def _conversation_labels_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "labels", "version")})

    def _conversation_contact_changed(self, data: dict[str, Any]) -> None:
        contact = {field: data["contact"][field] for field in ("id", "name")}
        version = {k: data[k] for k in ("id", "version")}
        merge(self.conversations, {**version, "contact": contact})
        for row in self.notifications.values():
            if row["conversation_id"] == data["id"]:
                row["contact"] = contact
                rename(row["sender"], contact)
        for message in self.threads.get(data["id"], {}).values():
            rename(message["sender"], contact)

    def _drop_spam(self, data: dict[str, Any]) -> None:
        """The list that was fetched has no spam."""
        if data["status"] == "spam":
            self.conversations.pop(data["id"], None)

    def _conversation_removed(self, data: dict[str, Any]) -> None:
        self.conversations.pop(data["id"], None)

    def _conversation_read(self, data: dict[str, Any]) -> None:
        pass  # shown nowhere in these reads

    def _notification_created(self, data: dict[str, Any]) -> None:
        self.notifications[data["id"]] = data

    def _notification_read(self, data: dict[str, Any]) -> None:
        for id in data["ids"]:
            if id in self.notifications:
                self.notifications[id]["read"] = True

    def _settings_changed(self, data: dict[str, Any]) -> None:
        pass  # likewise

    def shown(self) -> dict[str, Any]:
        """The part of the state that the client shows, as the value to compare."""
        seen = {
            id: row
            for id, row in self.notifications.items()
            if row["conversation_id"] in self.conversations
        }
        return {"conversations": self.conversations, "notifications": seen}


def read(client: ApiClient, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = client.get(path).json or {}
    return answer


def by_id(rows: list[dict[str, Any]]) -> Rows:
    return {row["id"]: row for row in rows}


def newer(rows: Rows, data: dict[str, Any]) -> None:
    """Store the row unless the client has a higher version of it."""
    if data["id"] not in rows or data["version"] >= rows[data["id"]]["version"]:
        rows[data["id"]] = data


def merge(rows: Rows, data: dict[str, Any]) -> None:
    if data["id"] in rows and data["version"] >= rows[data["id"]]["version"]:
        rows[data["id"]] = {**rows[data["id"]], **data}


def rename(sender: dict[str, Any], contact: dict[str, Any]) -> None:
    """Give the sender of a message the contact's name, if it is the contact."""
    if (sender["type"], sender["id"]) == ("contact", contact["id"]):
        sender["name"] = contact["name"]


@contextmanager
def verified(
    app: Flask, conversation_id: int, *readers: ApiClient, state: Callable[..., State] = State
) -> Iterator[dict[ApiClient, list[str]]]:
    """Assert for each reader that its state before the block plus the block's events equals a fresh
    state. A stream that the reader may no longer open is left out.

    Yields a dict, filled after the block: reader → names of the events received. Raises
    AssertionError on a difference.
    """
    assert outbox_drained(app)
    before = {reader: state(reader, conversation_id) for reader in readers}
    received: dict[ApiClient, list[str]] = {}
    yield received
    assert outbox_drained(app)
    for reader, kept in before.items():
        fresh = state(reader, conversation_id)
        still = [name for name in kept.streams if name in fresh.streams]
        events = events_since(app, reader, still, kept.cursor)
        received[reader] = [event for event, _ in events]
        for event, data in events:
            kept.apply(event, data)
        assert kept.shown() == fresh.shown()
        for id in kept.threads.keys() & fresh.threads.keys():
            assert kept.threads[id] == fresh.threads[id]


def events_since(
    app: Flask, client: ApiClient, streams: list[str], cursor: str
) -> list[tuple[str, dict[str, Any]]]:
    """The durable events (name, data) that these streams of the client carry after the cursor.

    They are read from a stream that resumes there. Raises AssertionError if it can't resume, or if
    an event of the logs does not arrive within PATIENCE.
    """
    broker: Broker = app.extensions["broker"]
    with app.app_context():
        principal = auth.principal_of_token(client.headers["Authorization"].removeprefix("Bearer "))
        assert principal is not None
        account_id, topics, _ = allowed_to(principal, tuple(streams))
    names = [topic.name for topic in topics]
    logs = broker.read(account_id, names, Cursor.parse(cursor)).topics
    subscription = Subscription(client, streams, cursor)
    assert subscription.resumed
    events: list[tuple[str, dict[str, Any]]] = []
    while len(events) < sum(map(len, logs)):
        event = subscription.next_event()
        if event.event not in EPHEMERAL:
            events.append((event.event, event.data))
    subscription.close()
    return events
