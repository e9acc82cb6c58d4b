"""What happens to one conversation happens one by one: each service locks its row first."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from sqlalchemy import update

from rtapp import clock
from rtapp.errors import Conflict
from rtapp.extensions import db
from rtapp.models import Conversation


def lock(conversation: Conversation) -> None:
    """Locks the row until the transaction ends, and reads it as it is now.

    By an update that changes nothing, which waits its turn on SQLite as on PostgreSQL.
    """
    db.session.execute(
        update(Conversation)
        .where(Conversation.id == conversation.id)
        .values(version=Conversation.version)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(conversation)


def unlock() -> None:
    """Ends a transaction in which nothing had to be changed."""
    db.session.commit()


def touch(conversation: Conversation) -> None:
    """Something has happened in it: it moves to the top of the lists."""
    conversation.version += 1
    conversation.last_activity_at = clock.now()


def refuse_stale(
    row: Any, version: int | None, present: Callable[[Any], Mapping[str, Any]]
) -> None:
    """Raises Conflict if a client says which version it knows and it is not the present one."""
    if version is not None and version != row.version:
        detail = "This has changed meanwhile; look at it as it is now and decide again."
        raise Conflict(detail, current=present(row))
