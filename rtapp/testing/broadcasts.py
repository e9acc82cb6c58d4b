"""Assertions on the events that a block publishes, on any topic, as read from Redis."""

import json
import secrets
import time
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import NamedTuple

from flask import Flask
from redis.client import PubSub

from rtapp.realtime.broker import Announcement
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Topic
from rtapp.realtime.broker import decode_push
from rtapp.realtime.engine import Engine
from rtapp.realtime.leases import KINDS
from rtapp.realtime.markers import PREFIX as MARKER

from .clients import outbox_drained
from .waiting import PATIENCE


class Broadcast(NamedTuple):
    """An event published to `topic`. `stream` is the name of the stream that carries it."""

    topic: str
    stream: str
    event: str
    data: dict[str, Any]


@contextmanager
def broadcasts_to(app: Flask, stream: str, event: str, **fields: Any) -> Iterator[list[Broadcast]]:
    """Assert that the block publishes `event` on `stream`, with these fields in its data.

    Yields the list of all Broadcasts, complete after the block. Raises AssertionError.
    """

    def matches(broadcast: Broadcast) -> bool:
        return (broadcast.stream, broadcast.event) == (stream, event) and fields.items() <= {
            k: v for k, v in broadcast.data.items() if k in fields
        }.items()

    with BroadcastRecorder(app) as recorder:
        yield recorder.received
        assert outbox_drained(app)
        found = recorder.until(matches)
        recorder.until_now()
        assert found, f"{event} {fields} was not published on {stream}, only {recorder.received}"


@contextmanager
def no_broadcasts(app: Flask) -> Iterator[None]:
    """Assert that the block publishes nothing, durable or ephemeral. Raises AssertionError."""
    with BroadcastRecorder(app) as recorder:
        yield
        assert outbox_drained(app)
        engine: Engine = app.extensions["engine"]
        engine.leases.flush(time.monotonic())
        recorder.until_now()
        assert recorder.received == [], f"published was {recorder.received}"


class BroadcastRecorder:
    """A context manager that records the events of every topic of every account in `received`."""

    def __init__(self, app: Flask):
        self.received: list[Broadcast] = []
        self._engine: Engine = app.extensions["engine"]
        self._broker: Broker = app.extensions["broker"]

    def __enter__(self) -> "BroadcastRecorder":
        pool = self._broker.redis.connection_pool
        self._pubsub = PubSub(pool, ignore_subscribe_messages=True)
        self._pubsub.psubscribe("rt:*")
        self.until_now()
        self.received.clear()  # of events before the block, some may be missing
        return self

    def __exit__(self, *error: object) -> None:
        self._pubsub.close()

    def until(self, condition: Callable[[Broadcast], bool]) -> bool:
        """Wait at most PATIENCE for an event that meets the condition. Returns whether one came."""
        deadline = time.monotonic() + PATIENCE
        while not any(map(condition, self.received)):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._receive(left)
        return True

    def until_now(self) -> None:
        """Receive everything published up to now. Raises AssertionError after PATIENCE."""
        barrier = f"rt:barrier:{secrets.token_hex(8)}"
        deadline = time.monotonic() + PATIENCE
        while self._receive(0.1) != barrier:
            assert time.monotonic() < deadline, "Redis does not deliver what is published"
            self._broker.redis.publish(barrier, "")

    def _receive(self, timeout: float) -> str | None:
        """Receive one message. Returns its channel, or None if none came within `timeout` s."""
        message = self._pubsub.get_message(timeout=timeout)
        if message is None:
            return None
        channel = message["channel"].decode()
        if channel.startswith("rt:{"):
            account, _, name = channel.removeprefix("rt:{").partition("}:")
            self.received += self._broadcasts(Topic(int(account), name), message["data"])
        return str(channel)

    def _broadcasts(self, topic: Topic, payload: bytes) -> Iterator[Broadcast]:
        if payload.startswith(MARKER):
            return
        message = decode_push(payload)
        if isinstance(message, Announcement):
            kind = KINDS[message.kind]
            bodies = [e.body for e in self._engine.announcer.announce(topic, kind, message.diff)]
        else:
            bodies = [message.body]
        for body in map(json.loads, bodies):
            stream, event = body.get("stream", ""), body.get("event", "stream.reset")
            yield Broadcast(topic.name, stream, event, body.get("data", body))
