"""Rows that nothing needs any more are removed: once a day by one of the processes, or by command.

What ends by itself is removed elsewhere: tokens (change_tokens.py), files without a message
(remove_attachments.py), mails and pushes as they are sent.
"""

from collections.abc import Callable
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from datetime import timedelta
from itertools import groupby
from typing import Any

import gevent
from sqlalchemy import ColumnElement
from sqlalchemy import Select
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update

from rtapp.config import Settings
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Invitation
from rtapp.models import Notification
from rtapp.models import OutboxEvent
from rtapp.models import PasswordLink
from rtapp.models import Schedule
from rtapp.models import UserSession
from rtapp.models import oldest_session

from .remove_old_messages import count_old_messages
from .remove_old_messages import remove_old_messages

PERIOD = timedelta(days=1)  # between two runs of the schedule
RETRY = timedelta(minutes=10)  # after a run that its process did not finish
MAX_REMOVED = 200  # rows in one transaction
PAUSE = 0.05  # s between two transactions, for others
NAME = "retention"  # of the schedule
DUE = select(Schedule.name).where(Schedule.name == NAME, Schedule.due_at <= bindparam("now"))

Links = type[Invitation] | type[PasswordLink]


@dataclass(frozen=True)
class Kind:
    """Rows of one kind: how many are old, and their removal, which yields the number of each
    transaction after it."""

    count: Callable[[], int]
    remove: Callable[[], Iterator[int]]


NOTHING = Kind(lambda: 0, lambda: iter(()))


def kinds(settings: Settings, now: datetime) -> dict[str, Kind]:
    """What is to be removed at this time, by its name."""

    def before(days: int) -> datetime | None:
        return now - timedelta(days=days) if days else None

    return {
        "messages": Kind(lambda: count_old_messages(now), lambda: remove_old_messages(now)),
        "notifications": of_notifications(before(settings.notifications_kept)),
        "sessions": of_rows(UserSession, UserSession.created_at <= oldest_session(now)),
        "invitations": of_links(Invitation, before(settings.links_kept)),
        "password links": of_links(PasswordLink, before(settings.links_kept)),
        "dead letters": of_dead_letters(before(settings.dead_letters_kept)),
    }


def old_rows(settings: Settings, now: datetime) -> dict[str, int]:
    """How many rows of each kind are to be removed."""
    counts = {name: kind.count() for name, kind in kinds(settings, now).items()}
    db.session.rollback()
    return counts


def remove_old_rows(settings: Settings, now: datetime) -> dict[str, int]:
    """Remove what is old, a batch after the other. Returns how many rows of each kind there were.

    Two processes may do it at once. One that ends meanwhile leaves the rest for the next run.
    """
    removed = {}
    for name, kind in kinds(settings, now).items():
        removed[name] = 0
        for count in kind.remove():
            removed[name] += count
            gevent.sleep(PAUSE)
        db.session.rollback()
    return removed


def remove_if_due(settings: Settings, now: datetime) -> int:
    """Remove what is old if no process has for PERIOD. Returns 0."""
    if claimed(now):
        remove_old_rows(settings, now)
        put_off(now + PERIOD)
    return 0


def claimed(now: datetime) -> bool:
    """Whether the schedule is due, and this process the first to find it so."""
    if execute(DUE, {"now": now}).scalar() is None:
        db.session.rollback()
        return False
    due = (Schedule.name == NAME, Schedule.due_at <= now)
    put = update(Schedule).where(*due).values(due_at=now + RETRY).returning(Schedule.name)
    is_first = db.session.execute(put).scalar() is not None
    db.session.commit()
    return is_first


def put_off(due_at: datetime) -> None:
    db.session.execute(update(Schedule).where(Schedule.name == NAME).values(due_at=due_at))
    db.session.commit()


# Kinds


def of_rows(model: Any, old: ColumnElement[bool]) -> Kind:
    """Rows of a table that is small, or has an index for the condition."""
    ids = select(model.id).where(old)

    def remove(found: list[Any]) -> None:
        db.session.execute(delete(model).where(model.id.in_(found)))

    return Kind(lambda: counted(ids), lambda: in_batches(ids.limit(MAX_REMOVED), remove))


def of_notifications(before: datetime | None) -> Kind:
    """The first ones: they are as old as their ids, and no index has their times."""
    if before is None:
        return NOTHING
    times = select(Notification.id, Notification.created_at).order_by(Notification.id)
    first = times.limit(MAX_REMOVED).subquery()
    batch = select(first.c.id).where(first.c.created_at < before)
    old = select(Notification.id).where(Notification.created_at < before)
    return Kind(lambda: counted(old), lambda: in_batches(batch, remove_notifications))


def of_links(model: Links, before: datetime | None) -> Kind:
    """With what became of their mails."""
    if before is None:
        return NOTHING
    times = (model.expires_at, model.used_at, model.revoked_at)
    return of_rows(model, or_(*(time < before for time in times)))


def of_dead_letters(before: datetime | None) -> Kind:
    return (
        NOTHING if before is None else of_rows(OutboxEvent, OutboxEvent.dead_lettered_at < before)
    )


def counted(old: Select[Any]) -> int:
    return db.session.scalar(select(func.count()).select_from(old.subquery())) or 0


def in_batches(batch: Select[Any], remove: Callable[[list[Any]], None]) -> Iterator[int]:
    while ids := list(db.session.scalars(batch)):
        remove(ids)
        db.session.commit()
        yield len(ids)


def remove_notifications(ids: list[Any]) -> None:
    """Open pages count those that were not read as read."""
    which = Notification.id.in_(ids)
    columns = (Notification.user_id, Notification.account_id, Notification.id)
    unread = select(*columns).where(which, Notification.read.is_(False)).order_by(*columns)
    rows = db.session.execute(unread).all()
    db.session.execute(delete(Notification).where(which))
    for (user_id, account_id), own in groupby(rows, key=lambda row: (row[0], row[1])):
        announce.notifications_read(user_id, account_id, [row.id for row in own])
