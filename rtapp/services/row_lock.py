"""The lock of a conversation's or a contact's row, which each service that changes one takes first.

A service that needs both takes the contact's first: to change it, merge it, or give it a
conversation. Of two conversations, that with the lower id comes first.
"""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from rtapp import clock
from rtapp.errors import Conflict
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message


def lock(row: Conversation | Contact) -> None:
    """Lock the row until the transaction ends, and refresh it.

    An update without a change: it takes the lock on SQLite as well as on PostgreSQL.
    """
    model = type(row)
    db.session.execute(
        update(model)
        .where(model.id == row.id)
        .values(version=model.version)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(row)


def lock_unmerged(conversation: Conversation) -> None:
    """Lock a conversation to change it. Raises Conflict if it was merged into another one."""
    lock(conversation)
    refuse_merged(conversation)


def lock_thread(message: Message) -> Conversation:
    """Lock the conversation of a message, and refresh both. A merge may move the message first."""
    while True:
        conversation = db.session.get_one(Conversation, message.conversation_id)
        lock(conversation)
        db.session.refresh(message)
        if message.conversation_id == conversation.id:
            return conversation
        unlock()


def refuse_merged(conversation: Conversation) -> None:
    if conversation.merged_into_id is not None:
        raise merged(db.session.get_one(Conversation, conversation.merged_into_id))


def merged(kept: Conversation) -> Conflict:
    """The refusal of a change to a conversation that was merged into `kept`."""
    detail = f"This conversation was merged into #{kept.id}; look at that one and decide again."
    return Conflict(detail, current=presenters.conversation(kept))


def unlock() -> None:
    """End a transaction without a change."""
    db.session.commit()


def touch(conversation: Conversation) -> None:
    """Increment the version, and note the activity. Lists do not move it."""
    conversation.version += 1
    conversation.last_activity_at = clock.now()


def refuse_unaware(
    conversation: Conversation, version: int | None, changed: int, detail: str
) -> None:
    """Raises Conflict, with the sentence `detail`, if the client's `version` is older than
    `changed`: the version with which what matters to its request has last changed.

    The version grows with every message and change. Most of them are no reason to ask again, so
    the version as a whole is not compared. None asks for no comparison. A version that the
    conversation has not reached is refused too.
    """
    if version is not None and not changed <= version <= conversation.version:
        raise Conflict(detail, current=presenters.conversation(conversation))


def refuse_stale(
    row: Any, version: int | None, present: Callable[[Any], Mapping[str, Any]]
) -> None:
    """Raises Conflict if the client's `version` is given and is not the present one.

    `present` makes the current representation that goes into the error.
    """
    if version is not None and version != row.version:
        detail = "This has changed meanwhile; look at it as it is now and decide again."
        raise Conflict(detail, current=present(row))
