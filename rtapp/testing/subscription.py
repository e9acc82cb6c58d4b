"""A principal's subscription, modelled on ActionCable::Channel::TestCase, over a real stream."""

import json
import time
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple
from urllib.parse import urlencode

from flask import Flask
from httpx_sse import ServerSentEvent

from rtapp.models import Contact
from rtapp.models import User
from rtapp.realtime.engine import Engine
from rtapp.services.change_tokens import create_token
from rtapp.services.change_tokens import create_visitor_token

from .clients import ApiClient
from .stream import Stream
from .waiting import PATIENCE


class Event(NamedTuple):
    """An event. A control event has an empty `stream`, and its fields are in `data`."""

    event: str
    stream: str
    data: dict[str, Any]
    id: str


class Subscription:
    """A connection with the streams `names`, from now on or resumed from `last_event_id`.

    `rejected` is the status of a refusal, or None. `resumed` is the field of `stream.open`: whether
    the events since `last_event_id` follow. `last_id` is the last id received.
    """

    def __init__(self, client: ApiClient, names: Sequence[str], last_event_id: str | None = None):
        self.client = client
        self.names = tuple(names)
        self.last_id = last_event_id or ""
        self.rejected: int | None = None
        self.resumed = False
        self._stream: Stream | None = None
        self._open()

    @property
    def confirmed(self) -> bool:
        """Whether the connection is open. False after a rejection, `drop` or `close`."""
        return self._stream is not None

    @property
    def topics(self) -> list[str]:
        """The names of the topics that the hub delivers to it now; empty if it is not open."""
        engine: Engine = self.client.app.extensions["engine"]
        open = self.confirmed and self._subscriber in engine.hub.subscribers()
        return [topic.name for topic in self._subscriber.topics] if open else []

    def next_event(self, timeout: float = PATIENCE) -> Event:
        """The next event: durable, ephemeral or control, but no ping.

        Raises AssertionError if none arrives within `timeout` s, Ended if the stream ended.
        """
        assert self._stream is not None, f"{', '.join(self.names)} is not open"
        deadline = time.monotonic() + timeout
        while True:
            sse = self._next(deadline - time.monotonic())
            if sse.event != "stream.ping":
                return parsed(sse)

    def drop(self) -> None:
        """Close the connection, as if it were lost. Events in flight are lost too."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def resume(self) -> None:
        """Connect again from `last_id`. Sets `rejected` and `resumed`."""
        self.drop()
        self._open()

    def close(self) -> None:
        """Close the connection and forget `last_id`: a later `resume` starts from now."""
        self.drop()
        self.last_id = ""

    def _open(self) -> None:
        engine: Engine = self.client.app.extensions["engine"]
        before = set(engine.hub.subscribers())
        parameters = [("stream", name) for name in self.names]
        if self.last_id:
            parameters.append(("last_event_id", self.last_id))
        answer = self.client.get(f"/streams?{urlencode(parameters)}")
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
        sse = self._stream.any(timeout)
        self.last_id = sse.id or self.last_id
        return sse


def parsed(sse: ServerSentEvent) -> Event:
    body = json.loads(sse.data)
    if sse.event.startswith("stream."):
        return Event(sse.event, "", body, sse.id)
    return Event(sse.event, body["stream"], body["data"], sse.id)


def client(app: Flask, user: object) -> ApiClient:
    """The ApiClient of `user`: an e-mail address, a User, a Contact, an ApiClient itself, or None
    for no credentials. Raises AssertionError for another type."""
    if isinstance(user, ApiClient):
        return user
    if user is None or isinstance(user, str):
        return ApiClient(app, user)
    made = ApiClient(app, None)
    with app.app_context():
        if isinstance(user, Contact):
            made.id, token = user.id, create_visitor_token(user, 3600).text
        else:
            assert isinstance(user, User), f"{user!r} is nobody"
            made.id, token = user.id, create_token(user, "Test").text
    made.headers = {"Authorization": f"Bearer {token}"}
    return made
