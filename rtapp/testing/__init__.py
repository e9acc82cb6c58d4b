"""A test kit for streams, actions and events: a pytest plugin.

    pytest_plugins = ["rtapp.testing"]

It needs a fixture `app`: an application whose hub and relay are started, as in tests/conftest.py,
after `gevent.monkey.patch_all()`. It opens real streams over a real Redis. Every wait has the
timeout PATIENCE, after which the test fails with an AssertionError that names what is missing.

    def test_a_message_reaches_the_colleagues_stream(app, subscribe, broadcasts_to):
        kevin = subscribe("conversation:1", "kevin@example.com")
        assert kevin.confirmed and kevin.topics == ["conversation:1"]
        with broadcasts_to("conversation:1", "message.created", content="Hello"):
            ApiClient(app, "ada@example.com").send(1, "Hello")
        assert kevin.next_event().data["content"] == "Hello"
"""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial

import pytest
from flask import Flask

from .broadcasts import Broadcast
from .broadcasts import broadcasts_to as _broadcasts_to
from .broadcasts import no_broadcasts as _no_broadcasts
from .clients import ApiClient
from .clients import CustomerClient
from .clients import VisitorClient
from .clients import outbox_drained
from .state import State
from .state import events_since
from .state import verified
from .stream import Ended
from .stream import Stream
from .subscription import Event
from .subscription import Subscription
from .subscription import client
from .waiting import PATIENCE
from .waiting import eventually

__all__ = [
    "PATIENCE",
    "ApiClient",
    "Broadcast",
    "CustomerClient",
    "Ended",
    "Event",
    "State",
    "Stream",
    "Subscription",
    "VisitorClient",
    "broadcasts_to",
    "events_since",
    "eventually",
    "no_broadcasts",
    "outbox_drained",
    "subscribe",
    "verified",
    "verify_action",
]  # fmt: skip


@pytest.fixture
def subscribe(app: Flask) -> Iterator[Callable[..., Subscription]]:
    """`subscribe(stream, user, last_event_id=None)` requests a stream and returns a Subscription.

    `stream` is a stream's name or a list of names. `user` is an e-mail address, a User, a Contact,
    an ApiClient, or None for no credentials. A refusal does not raise: see `rejected`. The fixture
    closes the subscriptions at the end of the test.
    """
    opened: list[Subscription] = []

    def subscribe(
        stream: str | list[str], user: object, last_event_id: str | None = None
    ) -> Subscription:
        names = [stream] if isinstance(stream, str) else stream
        opened.append(Subscription(client(app, user), names, last_event_id))
        return opened[-1]

    yield subscribe
    for each in opened:
        each.close()


@pytest.fixture
def broadcasts_to(app: Flask) -> Callable[..., AbstractContextManager[list[Broadcast]]]:
    """`with broadcasts_to(stream, event, **fields)` asserts that its block publishes this event on
    this stream, with these fields in its data. Yields the list of all Broadcasts, complete after
    the block. Raises AssertionError otherwise."""
    return partial(_broadcasts_to, app)


@pytest.fixture
def no_broadcasts(app: Flask) -> Callable[[], AbstractContextManager[None]]:
    """`with no_broadcasts()` asserts that its block publishes nothing. Raises AssertionError
    otherwise."""
    return partial(_no_broadcasts, app)


@pytest.fixture
def verify_action(app: Flask) -> Callable[..., AbstractContextManager[dict[ApiClient, list[str]]]]:
    """`with verify_action(conversation_id, *readers)` asserts for each reader (an ApiClient) that
    its state before the block plus the block's events equals a state fetched afterwards.

    Yields a dict, filled after the block: reader → names of the events received. `state=` takes a
    subclass of State with an application's own events. Raises AssertionError on a difference.
    """
    return partial(verified, app)
