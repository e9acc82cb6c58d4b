"""State + events == fresh state: what a client fetched and kept up by events alone is what another
client fetches now."""

from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from typing import Any

from flask import Flask

from rtapp import auth
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import Cursor
from rtapp.streams.base import allowed_to

from .support import As
from .support import all_said
from .support import envelope

ACCOUNT = 1


class State:
    """The lists and one thread, as a user's client knows them."""

    def __init__(self, who: As, conversation_id: int):
        listed = who.get(f"/accounts/{ACCOUNT}/conversations?limit=100").json
        told = who.get(f"/accounts/{ACCOUNT}/notifications?limit=100").json
        thread = who.get(f"/conversations/{conversation_id}/messages?limit=100").json
        self.cursor = listed["cursor"]
        self.streams = [f"account:{ACCOUNT}"]
        self.conversations = {row["id"]: row for row in listed["conversations"]}
        self.notifications = {row["id"]: row for row in told["notifications"]}
        self.messages: dict[int, dict[str, Any]] | None = None
        if "messages" in thread:
            self.streams.append(f"conversation:{conversation_id}")
            self.messages = {row["id"]: row for row in thread["messages"]}

    def apply(self, event: str, data: dict[str, Any]) -> None:
        noun, _, verb = event.partition(".")
        getattr(self, f"_{noun}_{verb}")(data)

    def _message_created(self, data: dict[str, Any]) -> None:
        newer(self.messages, data)

    _message_updated = _message_created

    def _message_deleted(self, data: dict[str, Any]) -> None:
        merge(self.messages, {**data, "content": ""})

    def _conversation_created(self, data: dict[str, Any]) -> None:
        newer(self.conversations, data)

    _conversation_updated = _conversation_created

    def _conversation_status_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "status", "version")})

    def _conversation_assignee_changed(self, data: dict[str, Any]) -> None:
        merge(self.conversations, {k: data[k] for k in ("id", "assignee", "version")})

    def _conversation_removed(self, data: dict[str, Any]) -> None:
        del self.conversations[data["id"]]

    def _conversation_read(self, data: dict[str, Any]) -> None:
        pass  # shown nowhere in these reads

    def _notification_created(self, data: dict[str, Any]) -> None:
        self.notifications[data["id"]] = data

    def _notification_read(self, data: dict[str, Any]) -> None:
        for id in data["ids"]:
            if id in self.notifications:
                self.notifications[id]["read"] = True

    def shown(self) -> dict[str, Any]:
        seen = {k: v for k, v in self.notifications.items() if self.sees(v["conversation_id"])}
        return {"conversations": self.conversations, "notifications": seen}

    def sees(self, conversation_id: int) -> bool:
        return conversation_id in self.conversations


def newer(rows: dict[int, dict[str, Any]] | None, data: dict[str, Any]) -> None:
    """A client keeps the higher version."""
    assert rows is not None
    if data["id"] not in rows or data["version"] >= rows[data["id"]]["version"]:
        rows[data["id"]] = data


def merge(rows: dict[int, dict[str, Any]] | None, data: dict[str, Any]) -> None:
    assert rows is not None
    if data["id"] in rows and data["version"] >= rows[data["id"]]["version"]:
        rows[data["id"]] = {**rows[data["id"]], **data}


@contextmanager
def verified(app: Flask, conversation_id: int, *readers: As) -> Iterator[dict[As, list[str]]]:
    """Holds that for each reader state + events == fresh state over what happens inside.

    Afterwards the mapping that it gives has the names of the events that each one heard.
    """
    assert all_said(app)
    before = {who: State(who, conversation_id) for who in readers}
    heard: dict[As, list[str]] = {}
    yield heard
    assert all_said(app)
    for who, state in before.items():
        fresh = State(who, conversation_id)
        still = [name for name in state.streams if name in fresh.streams]
        events = events_since(app, who, still, state.cursor)
        heard[who] = [event for event, _ in events]
        for event, data in events:
            state.apply(event, data)
        assert state.shown() == fresh.shown()
        if fresh.messages is not None and state.messages is not None:
            assert state.messages == fresh.messages


def events_since(
    app: Flask, who: As, streams: list[str], cursor: str
) -> list[tuple[str, dict[str, Any]]]:
    """All that these streams of `who` carry after the cursor, read from the stream itself."""
    broker: Broker = app.extensions["broker"]
    with app.app_context():
        asker = auth.asker_of_token(who.headers["Authorization"].removeprefix("Bearer "))
        _, topics, _ = allowed_to(asker, tuple(streams))
    logs = broker.read(ACCOUNT, [topic.name for topic in topics], Cursor.parse(cursor)).topics
    query = "&".join(f"stream={name}" for name in streams)
    events = []
    with closing(who.stream(f"/streams?{query}&last_event_id={cursor}")) as stream:
        assert envelope(stream.named("stream.open"))["resumed"] is True
        for _ in range(sum(len(log) for log in logs)):
            said = envelope(stream.next())
            events.append((said["event"], said["data"]))
    return events
