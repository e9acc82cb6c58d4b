"""The transactional outbox: every committed event is published.

An event is a row, written in the transaction of its change. The relay (relay.py) publishes rows in
their order and deletes them. A row that can't be published becomes a dead letter, and its streams
are reset. docs/decisions.md, "The outbox", states the guaranteed order and why it holds.
"""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from typing import NamedTuple
from uuid import uuid4

from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import Session

from rtapp import clock
from rtapp import database
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import OutboxEvent
from rtapp.realtime.metrics import OUTBOX

from . import catalogue

RESET = "stream.reset"

# Statements are built once. They select columns, not mapped objects, which cost more.
INSERT = insert(OutboxEvent.__table__)
RESETS = select(OutboxEvent.topics).where(
    OutboxEvent.account_id == bindparam("account_id"),
    OutboxEvent.event == RESET,
    OutboxEvent.dead_lettered_at.is_(None),  # its topics have been reset in its place
)


def record(event: str, account_id: int, topics: Sequence[str], data: Mapping[str, Any]) -> None:
    """Publish `event` to `topics`, in this order, after the commit of the present transaction.

    The transaction must have changed, and so locked, the event's row before it reads `data`. Raises
    CatalogueError if the event does not match the catalogue.
    """
    assert not db.session().in_nested_transaction(), "a savepoint's events would outlive it"
    row = {
        "key": uuid4().hex,  # a default costs a call for each row
        "created_at": clock.now(),
        "event": event,
        "account_id": account_id,
        "topics": list(topics),
        "data": catalogue.checked(event, data),
    }
    db.session.info.setdefault("outbox", []).append(row)


@sqlalchemy_event.listens_for(db.session, "before_commit")
def write(session: Session) -> None:
    """Insert the rows last, so that their ids are assigned while every changed row is locked."""
    if "outbox" in session.info and not session.in_nested_transaction():
        rows = session.info.pop("outbox")
        execute(INSERT, rows)
        session.info["outbox_written"] = {row["account_id"] for row in rows}


@sqlalchemy_event.listens_for(db.session, "after_rollback")
def forget(session: Session) -> None:
    session.info.pop("outbox", None)
    session.info.pop("outbox_written", None)


def reset_waits(account_id: int, topics: Collection[str]) -> bool:
    """Whether a reset of one of these topics is committed and may not be published yet."""
    waiting = execute(RESETS, {"account_id": account_id})
    return any(not set(topics).isdisjoint(row.topics) for row in waiting)


def measure() -> None:
    """Set the gauges of waiting events and dead letters."""
    count = select(func.count(), func.count(OutboxEvent.dead_lettered_at))
    with database.probing() as connection:
        total, dead = connection.execute(count.select_from(OutboxEvent)).one()
    OUTBOX.labels("waiting").set(total - dead)
    OUTBOX.labels("set_aside").set(dead)


class Waiting(NamedTuple):
    """How many events of an account wait, since when the `oldest` does, and its dead letters."""

    events: int
    oldest: datetime | None
    set_aside: int


def waiting_of(account_id: int) -> Waiting:
    waits = OutboxEvent.dead_lettered_at.is_(None)
    total, dead, oldest = db.session.execute(
        select(
            func.count(),
            func.count(OutboxEvent.dead_lettered_at),
            func.min(case((waits, OutboxEvent.created_at))),
        ).where(OutboxEvent.account_id == account_id)
    ).one()
    return Waiting(total - dead, oldest, dead)


def dead_letters(account_id: int | None = None, limit: int | None = None) -> list[OutboxEvent]:
    """The dead letters, oldest first: those of the account, or all."""
    dead = select(OutboxEvent).where(are_dead(account_id))
    return list(db.session.scalars(dead.order_by(OutboxEvent.id).limit(limit)))


def are_dead(account_id: int | None) -> ColumnElement[bool]:
    dead = OutboxEvent.dead_lettered_at.is_not(None)
    return dead if account_id is None else and_(dead, OutboxEvent.account_id == account_id)


def retry(account_id: int | None = None) -> int:
    """Requeue the dead letters of the account, or all. Returns their number."""
    tried = db.session.scalars(
        update(OutboxEvent)
        .where(are_dead(account_id))
        .values(dead_lettered_at=None, error=None)
        .returning(OutboxEvent.id)
    ).all()
    db.session.commit()
    return len(tried)
