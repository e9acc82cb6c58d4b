"""A test kit for streams, actions and events: a pytest plugin.

    pytest_plugins = ["rtapp.testing"]

It needs a fixture `app`: an application whose hub and relay have been started (as tests/conftest.py
does, after `gevent.monkey.patch_all()`). What it opens are real streams over a real Redis. Nothing
in it waits for ever: what does not happen within PATIENCE fails the test and says what was missing.

    def test_a_colleague_hears_of_it(app, subscribe, broadcasts_to, verify_action):
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
    """`subscribe(stream, user, last_event_id=None)`: opens a stream, or tries to, as a user.

    `stream` is a stream's name or a list of names; `user` an e-mail address, a User, a Contact, an
    `ApiClient`, or None for somebody who is not signed in. Closed at the end of the test.
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
    """`with broadcasts_to(stream, event, **fields)`: what happens inside says this event on this
    stream, with these fields in its data. Gives a list of all that was said, filled at the end."""
    return partial(_broadcasts_to, app)


@pytest.fixture
def no_broadcasts(app: Flask) -> Callable[[], AbstractContextManager[None]]:
    """`with no_broadcasts()`: what happens inside says nothing to anybody."""
    return partial(_no_broadcasts, app)


@pytest.fixture
def verify_action(app: Flask) -> Callable[..., AbstractContextManager[dict[ApiClient, list[str]]]]:
    """`with verify_action(conversation_id, *readers)`: state + events == fresh state, for each
    reader (an `ApiClient`), over the block. Gives the events that each received, filled at the end.

    `state=` takes a subclass of State that knows more than this application shows by itself.
    """
    return partial(verified, app)
