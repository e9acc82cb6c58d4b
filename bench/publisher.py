"""Publishes events with the engine's own publish script, at a constant rate.

The relay calls `Broker.publish` after a POST's commit. Here the driver calls it, which excludes the
cost of POSTs from the cost of deliveries. The envelope has the form of a POST's.
"""

import json
import time
from collections.abc import Callable
from collections.abc import Sequence

from rtapp.realtime.broker import Broker

ACCOUNT = 1  # the demo's
EVENT = "message.created"
TEXT = "Hello, my order has not arrived yet."
# What a frame has around the envelope: `id: <cursor>`, `event: message.created`, `data: `.
FRAME_AROUND = len("id: 0123abcd-1790000000000-0\nevent: message.created\ndata: \n\n")


def envelope(conversation: int, number: int, text: str = TEXT) -> str:
    """An envelope of about 400 bytes with the default text. `sent_at`: its CLOCK_MONOTONIC time."""
    data = {
        "id": number,
        "conversation_id": conversation,
        "account_id": ACCOUNT,
        "message_type": "outgoing",
        "private": False,
        "content": f"sent_at={time.monotonic_ns()} number={number} {text}",
        "sender": {"type": "user", "id": 2, "name": "Kevin"},
        "client_id": None,
        "created_at": "2026-01-01T12:00:00Z",
        "updated_at": "2026-01-01T12:00:00Z",
        "version": 1,
    }
    stream = f"conversation:{conversation}"
    whole = {"event": EVENT, "stream": stream, "timestamp": 1790000000, "data": data}
    return json.dumps(whole, separators=(",", ":"))


def frame_size(text: str = TEXT) -> int:
    """The bytes of an event on a client's socket."""
    return FRAME_AROUND + len(envelope(1, 1, text))


class Publisher:
    def __init__(self, broker: Broker):
        self._broker = broker
        self._number = 0

    def publish(self, conversation: int, text: str = TEXT, number: int | None = None) -> None:
        self._number += 1
        body = envelope(conversation, self._number if number is None else number, text)
        key = f"bench:{self._number}"
        self._broker.publish(ACCOUNT, key, EVENT, [(f"conversation:{conversation}", body)])

    def publish_evenly(
        self, conversations: Sequence[int], rate: float, count: int, text: str = TEXT
    ) -> None:
        """Publish `count` events, `rate` a second, to the conversations in turn."""
        start = time.monotonic()
        for n in range(count):
            time.sleep(max(0.0, start + n / rate - time.monotonic()))
            self.publish(conversations[n % len(conversations)], text)

    def publish_until(
        self, done: Callable[[], bool], conversation: int, rate: float, limit: float
    ) -> int:
        """Publish at `rate` until `done()`, at most for `limit` seconds. Returns the number."""
        start = time.monotonic()
        count = 0
        while not done() and time.monotonic() < start + limit:
            self.publish(conversation)
            count += 1
            time.sleep(max(0.0, start + count / rate - time.monotonic()))
        return count
