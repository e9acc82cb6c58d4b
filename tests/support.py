"""The test kit's helpers, and those that only these tests use."""

import json
from typing import Any

from flask import Flask
from httpx_sse import ServerSentEvent
from sqlalchemy import func
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Broker
from rtapp.testing import PATIENCE
from rtapp.testing import ApiClient
from rtapp.testing import CustomerClient
from rtapp.testing import Stream
from rtapp.testing import Subscription
from rtapp.testing import VisitorClient
from rtapp.testing import eventually
from rtapp.testing import outbox_drained
from rtapp.testing.clients import dashed

__all__ = [
    "PATIENCE",
    "ApiClient",
    "CustomerClient",
    "Outbox",
    "Stream",
    "VisitorClient",
    "dashed",
    "envelope",
    "eventually",
    "next_settings",
    "outbox_drained",
    "release",
]  # fmt: skip


def release(app: Flask) -> None:
    """Close the connections of an application that a test has made besides the fixture's."""
    app.extensions["broker"].redis.close()
    with app.app_context():
        db.session.remove()
        db.engine.dispose()
    app.extensions["probing"].dispose()


class Outbox:
    """A snapshot of the published events, the waiting ones, and rows that must not change."""

    def __init__(self, app: Flask, broker: Broker):
        self._app, self._broker = app, broker
        self.before = self.state()

    def state(self) -> tuple[int, int, int, list[bytes]]:
        with self._app.app_context():
            rows = db.session.scalars(select(func.count()).select_from(Message)).one()
            waiting = db.session.scalars(select(func.count()).select_from(OutboxEvent)).one()
            versions = db.session.scalars(select(func.sum(Conversation.version))).one()
        logs = sorted(self._broker.redis.scan_iter("rt:{*}:conv*"))
        return rows, waiting, int(versions or 0), logs

    def unchanged(self) -> bool:
        return self.state() == self.before


def next_settings(stream: Subscription) -> Any:
    """The data of the stream's next settings.changed."""
    while (event := stream.next_event()).event != "settings.changed":
        pass
    return event.data


def envelope(event: ServerSentEvent) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(event.data)
    return body
