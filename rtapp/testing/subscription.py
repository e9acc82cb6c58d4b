"""A user's subscription, as ActionCable::Channel::TestCase has it: but over a real stream."""

import json
import time
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Flask
from httpx_sse import ServerSentEvent

from rtapp import auth
from rtapp.models import Contact
from rtapp.models import User
from rtapp.realtime.engine import Engine

from .clients import ApiClient
from .stream import Stream
from .waiting import PATIENCE


class Event(NamedTuple):
    """An event: of a control event `stream` is empty, and `data` are its fields."""

    event: str
    stream: str
    data: dict[str, Any]
    id: str


class Subscription:
    """What a user hears of `names`, from now on or from `last_event_id` on.

    `rejected` is the status with which the server refused, or None. `resumed` is what
    `stream.open` said: whether what was missed since `last_event_id` follows.
    """

    def __init__(self, who: ApiClient, names: Sequence[str], last_event_id: str | None = None):
        self.who = who
        self.names = tuple(names)
        self.last_id = last_event_id or ""
        self.rejected: int | None = None
        self.resumed = False
        self._stream: Stream | None = None
        self._open()

    @property
    def confirmed(self) -> bool:
        """Whether it is open. False after it was rejected, dropped or closed."""
        return self._stream is not None

    @property
    def topics(self) -> list[str]:
        """The names of the topics that the hub now delivers to it: none if it is not open."""
        engine: Engine = self.who.app.extensions["engine"]
        open = self.confirmed and self._subscriber in engine.hub.subscribers()
        return [topic.name for topic in self._subscriber.topics] if open else []

    def next_event(self, timeout: float = PATIENCE) -> Event:
        """The next event, durable, ephemeral, `stream.reset` or `stream.closed`.

        Fails if there is none within `timeout` s, and with Ended if the stream is over.
        """
        assert self._stream is not None, f"{', '.join(self.names)} is not open"
        deadline = time.monotonic() + timeout
        while True:
            said = self._next(deadline - time.monotonic())
            if said.event != "stream.ping":
                return parsed(said)

    def drop(self) -> None:
        """The connection is lost, with whatever was under way."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def resume(self) -> None:
        """Connects again from the last id that was heard."""
        self.drop()
        self._open()

    def close(self) -> None:
        """Ends it for good: it can't be resumed from where it was."""
        self.drop()
        self.last_id = ""

    def _open(self) -> None:
        engine: Engine = self.who.app.extensions["engine"]
        before = set(engine.hub.subscribers())
        asked = [("stream", name) for name in self.names]
        if self.last_id:
            asked.append(("last_event_id", self.last_id))
        answer = self.who.get(f"/streams?{urlencode(asked)}")
        self.rejected = answer.status_code if answer.status_code != 200 else None
        if self.rejected is not None:
            return
        (self._subscriber,) = (
            s
            for s in engine.hub.subscribers()
            if s not in before and s.subscription.streams == self.names
        )
        self._stream = Stream(answer)
        opened = self.next_event()
        assert opened.event == "stream.open", opened
        self.resumed = opened.data["resumed"]

    def _next(self, timeout: float) -> ServerSentEvent:
        assert self._stream is not None
        said = self._stream.any(timeout)
        self.last_id = said.id or self.last_id
        return said


def parsed(said: ServerSentEvent) -> Event:
    told = json.loads(said.data)
    if said.event.startswith("stream."):
        return Event(said.event, "", told, said.id)
    return Event(said.event, told["stream"], told["data"], said.id)


def client(app: Flask, user: object) -> ApiClient:
    """Requests as `user`: an e-mail address, a User, a Contact, an `As`, or None for nobody."""
    if isinstance(user, ApiClient):
        return user
    if user is None or isinstance(user, str):
        return ApiClient(app, user)
    who = ApiClient(app, None)
    with app.app_context():
        if isinstance(user, Contact):
            who.id, token = user.id, auth.create_customer_token(user, 3600)
        else:
            assert isinstance(user, User), f"{user!r} is nobody"
            who.id, token = user.id, auth.create_token(user)
    who.headers = {"Authorization": f"Bearer {token}"}
    return who
