"""What tests say things with: a user's requests, an open stream, and waiting for something."""

import json
import time
from collections.abc import Callable
from typing import Any

import gevent
from flask import Flask
from httpx_sse import ServerSentEvent
from httpx_sse._decoders import SSEDecoder
from sqlalchemy import func
from sqlalchemy import select

from rtapp import auth
from rtapp.events.catalogue import EPHEMERAL
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import OutboxEvent
from rtapp.models import User
from rtapp.realtime.broker import Broker

PATIENCE = 5.0  # s for something that happens at once
NUMBERS = '<turbo-stream action="update" target="unread"'  # an ephemeral event without a name


def eventually(condition: Callable[[], Any], patience: float = PATIENCE) -> Any:
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        gevent.sleep(0.005)
    return result


def all_said(app: Flask) -> bool:
    """Waits until everything that has become true has been published."""

    def nothing_waits() -> bool:
        with app.app_context():
            return not db.session.scalar(select(func.count()).select_from(OutboxEvent))

    return bool(eventually(nothing_waits))


class As:
    """Requests of one user, by bearer token."""

    def __init__(self, app: Flask, email: str | None):
        self.app = app
        self.headers: dict[str, str] = {}
        if email is not None:
            with app.app_context():
                user = db.session.scalar(select(User).where(User.email == email))
                self.id = user.id
                self.headers = {"Authorization": f"Bearer {auth.create_token(user)}"}

    def get(self, path: str, **headers: str):
        return self.app.test_client().get(path, headers={**self.headers, **named(headers)})

    def post(self, path: str, body: Any = None, **headers: str):
        return self.app.test_client().post(
            path, json=body, headers={**self.headers, **named(headers)}
        )

    def page(self, path: str):
        return self.get(path, accept="text/html")

    def send(self, conversation: int, content: str, **more: Any):
        return self.post(f"/conversations/{conversation}/messages", {"content": content, **more})

    def stream(self, path: str, **headers: str) -> "Stream":
        return Stream(self.get(path, **headers))


class Visitor(As):
    """Requests of a customer, by visitor's token."""

    def __init__(self, app: Flask, email: str):
        super().__init__(app, None)
        with app.app_context():
            contact = db.session.scalar(select(Contact).where(Contact.email == email))
            self.id = contact.id
            self.token = auth.create_visitor_token(contact, 3600)
        self.headers = {"Authorization": f"Bearer {self.token}"}


def named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


class Stream:
    """An open stream, read event by event by a parser that is not ours."""

    def __init__(self, response: Any):
        assert response.status_code == 200, response.get_data(as_text=True)
        assert response.content_type == "text/event-stream; charset=utf-8"
        self.response = response
        self._chunks = iter(response.response)
        self._decoder = SSEDecoder()
        self._lines: list[str] = []
        self._rest = ""
        self.raw = ""

    def next(self) -> ServerSentEvent:
        """The next event but ephemeral ones. Fails if there is none within PATIENCE."""
        while (event := self.any()).event in EPHEMERAL or NUMBERS in event.data:
            pass
        return event

    def ephemeral(self, name: str) -> dict[str, Any]:
        """The data of the next ephemeral event of that name, whatever comes before it."""
        while (event := self.any()).event != name:
            pass
        return json.loads(event.data)["data"]

    def any(self) -> ServerSentEvent:
        """The next event that fires. Fails if there is none within PATIENCE."""
        with gevent.Timeout(PATIENCE, AssertionError("no event came")):
            while True:
                while self._lines:
                    event = self._decoder.decode(self._lines.pop(0))
                    if event is not None and event.data:
                        return event
                self._read()

    def named(self, name: str) -> ServerSentEvent:
        event = self.next()
        assert event.event == name, event
        return event

    def ended(self) -> bool:
        with gevent.Timeout(PATIENCE, AssertionError("the stream goes on")):
            for _ in self._chunks:
                pass
        self.close()
        return True

    def _read(self) -> None:
        text = next(self._chunks).decode()
        self.raw += text
        *lines, self._rest = (self._rest + text).split("\n")
        self._lines.extend(lines)

    def close(self) -> None:
        self.response.close()


class Outbox:
    """Everything that was ever published or is waiting to be, and the rows that must not change."""

    def __init__(self, app: Flask, broker: Broker):
        self._app, self._broker = app, broker
        self.before = self.state()

    def state(self) -> tuple[int, int, int, list[bytes]]:
        with self._app.app_context():
            rows = db.session.scalar(select(func.count()).select_from(Message))
            waiting = db.session.scalar(select(func.count()).select_from(OutboxEvent))
            versions = db.session.scalar(select(func.sum(Conversation.version)))
        return rows, waiting, int(versions), sorted(self._broker.redis.keys("rt:{*}:conv*"))

    def unchanged(self) -> bool:
        return self.state() == self.before


def envelope(event: ServerSentEvent) -> dict[str, Any]:
    return json.loads(event.data)
