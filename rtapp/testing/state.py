"""State + events == fresh state: what a client fetched and kept up by events alone is what another
client fetches now."""

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
    """The lists and some threads, as a user's client knows them: fetched, then kept by `apply`.

    For an event `<noun>.<verb>` of one's own, a subclass has a method `_<noun>_<verb>`, and what it
    changes in `shown`.
    """

    def __init__(self, who: ApiClient, *conversation_ids: int):
        listed = read(who, f"/accounts/{ACCOUNT}/conversations?limit=100")
        told = read(who, f"/accounts/{ACCOUNT}/notifications?limit=100")
        self.cursor: str = listed["cursor"]
        self.streams = [f"account:{ACCOUNT}"]
        self.conversations: Rows = by_id(listed["conversations"])
        self.notifications: Rows = by_id(told["notifications"])
        self.threads: dict[int, Rows] = {}
        for id in conversation_ids:
            thread = read(who, f"/conversations/{id}/messages?limit=100")
            if "messages" in thread:
                self.streams.append(f"conversation:{id}")
                self.threads[id] = by_id(thread["messages"])

    def apply(self, event: str, data: dict[str, Any]) -> None:
        if event in EPHEMERAL:
            return  # what no row says
        noun, _, verb = event.partition(".")
        getattr(self, f"_{noun}_{verb}")(data)

    def _message_created(self, data: dict[str, Any]) -> None:
        newer(self.threads[data["conversation_id"]], data)

    _message_updated = _message_created

    def _message_deleted(self, data: dict[str, Any]) -> None:
        merge(self.threads[data["conversation_id"]], {**data, "content": ""})

    def _conversation_created(self, data: dict[str, Any]) -> None:
        newer(self.conversations, data)

    _conversation_updated = _conversation_created

    def _conversation_status_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "status", "version")})

    def _conversation_assignee_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "assignee", "version")})

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

    def shown(self) -> dict[str, Any]:
        """What the client shows: to be compared."""
        seen = {
            id: row
            for id, row in self.notifications.items()
            if row["conversation_id"] in self.conversations
        }
        return {"conversations": self.conversations, "notifications": seen}


def read(who: ApiClient, path: str) -> dict[str, Any]:
    answer: dict[str, Any] = who.get(path).json or {}
    return answer


def by_id(rows: list[dict[str, Any]]) -> Rows:
    return {row["id"]: row for row in rows}


def newer(rows: Rows, data: dict[str, Any]) -> None:
    """A client keeps the higher version."""
    if data["id"] not in rows or data["version"] >= rows[data["id"]]["version"]:
        rows[data["id"]] = data


def merge(rows: Rows, data: dict[str, Any]) -> None:
    if data["id"] in rows and data["version"] >= rows[data["id"]]["version"]:
        rows[data["id"]] = {**rows[data["id"]], **data}


@contextmanager
def verified(
    app: Flask, conversation_id: int, *readers: ApiClient, state: Callable[..., State] = State
) -> Iterator[dict[ApiClient, list[str]]]:
    """Holds that for each reader state + events == fresh state over what happens inside.

    Afterwards the mapping that it gives has the names of the events that each one heard.
    """
    assert outbox_drained(app)
    before = {who: state(who, conversation_id) for who in readers}
    heard: dict[ApiClient, list[str]] = {}
    yield heard
    assert outbox_drained(app)
    for who, known in before.items():
        fresh = state(who, conversation_id)
        still = [name for name in known.streams if name in fresh.streams]
        events = events_since(app, who, still, known.cursor)
        heard[who] = [event for event, _ in events]
        for event, data in events:
            known.apply(event, data)
        assert known.shown() == fresh.shown()
        for id in known.threads.keys() & fresh.threads.keys():
            assert known.threads[id] == fresh.threads[id]


def events_since(
    app: Flask, who: ApiClient, streams: list[str], cursor: str
) -> list[tuple[str, dict[str, Any]]]:
    """All that these streams of `who` carry after the cursor, read from the stream itself."""
    broker: Broker = app.extensions["broker"]
    with app.app_context():
        principal = auth.principal_of_token(who.headers["Authorization"].removeprefix("Bearer "))
        assert principal is not None
        account_id, topics, _ = allowed_to(principal, tuple(streams))
    names = [topic.name for topic in topics]
    logs = broker.read(account_id, names, Cursor.parse(cursor)).topics
    subscription = Subscription(who, streams, cursor)
    assert subscription.resumed
    events: list[tuple[str, dict[str, Any]]] = []
    while len(events) < sum(map(len, logs)):
        said = subscription.next_event()
        if said.event not in EPHEMERAL:
            events.append((said.event, said.data))
    subscription.close()
    return events
