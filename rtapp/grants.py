"""What the database has allowed a user with an open stream, asked once while their rights do not
change: see realtime/grants.py.

For typing alone, which a client repeats every few seconds. Rights are not kept for anything else.
"""

from collections.abc import Callable
from collections.abc import Hashable
from typing import TypeVar

from flask import current_app

from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.realtime.engine import Engine

Answer = TypeVar("Answer")


def subscriber_id(principal: Principal) -> int:
    """The id under which a principal's streams are open: a user's, or the negative of a contact's.
    Control messages name it."""
    return -principal.id if isinstance(principal, Customer) else principal.id


def granted(
    subscriber: int,
    key: Hashable,
    find: Callable[[], Answer | None],
    threads: Callable[[Answer], set[int]] = lambda _: set(),
) -> Answer | None:
    """What `find` returns, or has returned for this key. Its exceptions are passed on, and None is
    not kept. It depends on the rights of the subscriber, and on those to these `threads`."""
    engine: Engine = current_app.extensions["engine"]
    kept: Answer | None = engine.grants.find(subscriber, key)
    if kept is not None:
        return kept
    changes = engine.grants.changes
    found = find()
    if found is not None:
        subjects = (str(subscriber), *(f"conversation:{id}" for id in threads(found)))
        engine.grants.keep(subscriber, key, found, subjects, changes)
    return found
