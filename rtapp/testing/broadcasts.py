"""What is published while something happens, to whomever: heard from Redis itself."""

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

from .clients import outbox_drained
from .waiting import PATIENCE


class Broadcast(NamedTuple):
    """An event on its way to a topic; `stream` is the stream on which it is heard."""

    topic: str
    stream: str
    event: str
    data: dict[str, Any]


@contextmanager
def broadcasts_to(app: Flask, stream: str, event: str, **fields: Any) -> Iterator[list[Broadcast]]:
    """Holds that what happens inside says `event` on `stream`, with these fields in its data."""

    def is_it(said: Broadcast) -> bool:
        return (said.stream, said.event) == (stream, event) and fields.items() <= {
            k: v for k, v in said.data.items() if k in fields
        }.items()

    with BroadcastRecorder(app) as listening:
        yield listening.said
        assert outbox_drained(app)
        found = listening.until(is_it)
        listening.until_now()
        assert found, f"{event} {fields} was not said on {stream}; said was {listening.said}"


@contextmanager
def no_broadcasts(app: Flask) -> Iterator[None]:
    """Holds that what happens inside says nothing to anybody, lasting or ephemeral."""
    with BroadcastRecorder(app) as listening:
        yield
        assert outbox_drained(app)
        engine: Engine = app.extensions["engine"]
        engine.leases.flush(time.monotonic())
        listening.until_now()
        assert listening.said == [], f"said was {listening.said}"


class BroadcastRecorder:
    """Hears every topic of every account."""

    def __init__(self, app: Flask):
        self.said: list[Broadcast] = []
        self._engine: Engine = app.extensions["engine"]
        self._broker: Broker = app.extensions["broker"]

    def __enter__(self) -> "BroadcastRecorder":
        pool = self._broker.redis.connection_pool
        self._pubsub = PubSub(pool, ignore_subscribe_messages=True)
        self._pubsub.psubscribe("rt:*")
        self.until_now()
        self.said.clear()  # of what happened before, its beginning may have been missed
        return self

    def __exit__(self, *error: object) -> None:
        self._pubsub.close()

    def until(self, condition: Callable[[Broadcast], bool]) -> bool:
        """Waits, at most PATIENCE, until something was said that meets the condition."""
        deadline = time.monotonic() + PATIENCE
        while not any(map(condition, self.said)):
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._hear(left)
        return True

    def until_now(self) -> None:
        """Hears everything that Redis was told up to now."""
        barrier = f"rt:barrier:{secrets.token_hex(8)}"
        deadline = time.monotonic() + PATIENCE
        while self._hear(0.1) != barrier:
            assert time.monotonic() < deadline, "Redis does not tell what is published"
            self._broker.redis.publish(barrier, "")

    def _hear(self, timeout: float) -> str | None:
        """Takes in one message. Returns its channel, or None if there was none."""
        message = self._pubsub.get_message(timeout=timeout)
        if message is None:
            return None
        channel = message["channel"].decode()
        if channel.startswith("rt:{"):
            account, _, name = channel.removeprefix("rt:{").partition("}:")
            self.said += self._broadcasts(Topic(int(account), name), message["data"])
        return str(channel)

    def _broadcasts(self, topic: Topic, payload: bytes) -> Iterator[Broadcast]:
        message = decode_push(payload)
        if isinstance(message, Announcement):
            kind = KINDS[message.kind]
            bodies = [e.body for e in self._engine.announcer.announce(topic, kind, message.diff)]
        else:
            bodies = [message.body]
        for body in map(json.loads, bodies):
            stream, event = body.get("stream", ""), body.get("event", "stream.reset")
            yield Broadcast(topic.name, stream, event, body.get("data", body))
