"""The transactional outbox: every committed event is published.

An event is a row, written in the transaction of its change. The relay publishes rows in their order
and deletes them. It wakes after each commit of this process, and sweeps for rows of others. A row
that can't be published becomes a dead letter, and its streams are reset. docs/decisions.md, "The
outbox", states the guaranteed order and why it holds.
"""

import logging
from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import nullcontext
from datetime import datetime
from itertools import groupby
from typing import Any
from typing import NamedTuple

import gevent
from flask import Flask
from flask import has_app_context
from gevent.event import Event
from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import delete
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rtapp import clock
from rtapp import database
from rtapp.database import is_away
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Account
from rtapp.models import OutboxEvent
from rtapp.realtime.backoff import Backoff
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Publication
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.diagnosis import NoRecord
from rtapp.realtime.metrics import OUTBOX
from rtapp.realtime.refusal import is_state

from . import audience
from . import catalogue

BATCH = 100  # rows published at once; they block Redis for a few milliseconds
SWEEP = 1.0  # s between two queries for rows of other processes
RETRY_DELAY = (0.5, 2.0)  # s without Redis or the database: the first, and the longest
RESET = "stream.reset"
RESET_BODY = '{"reason": "history_lost"}'
ERROR_LIMIT = 1_000  # characters kept of an error

# Statements are built once. They select columns, not mapped objects, which cost more.
PUBLISHED = (Account.published_epoch, Account.published_ms, Account.published_n)
INSERT = insert(OutboxEvent.__table__)
DELETE = delete(OutboxEvent.__table__).where(
    OutboxEvent.id.in_(bindparam("published", expanding=True))
)
PENDING = (
    select(OutboxEvent.__table__, *PUBLISHED)
    .join(Account, Account.id == OutboxEvent.account_id)
    .where(OutboxEvent.dead_lettered_at.is_(None))
    .order_by(OutboxEvent.id)
    .limit(BATCH)
)
# Several relays may advance one account, in any order and on two servers by mistake: neither the
# epoch nor the entry ever goes back, and each publication moves one of them.
OLDER_EPOCH = Account.published_epoch < bindparam("epoch")
OLDER_ENTRY = tuple_(Account.published_ms, Account.published_n) < tuple_(
    bindparam("ms"), bindparam("n")
)
ADVANCE = (
    update(Account.__table__)
    .where(Account.id == bindparam("account_id"), or_(OLDER_EPOCH, OLDER_ENTRY))
    .values(
        published_epoch=case((OLDER_EPOCH, bindparam("epoch")), else_=Account.published_epoch),
        published_ms=case((OLDER_ENTRY, bindparam("ms")), else_=Account.published_ms),
        published_n=case((OLDER_ENTRY, bindparam("n")), else_=Account.published_n),
    )
)
RESETS = select(OutboxEvent.topics).where(
    OutboxEvent.account_id == bindparam("account_id"),
    OutboxEvent.event == RESET,
    OutboxEvent.dead_lettered_at.is_(None),  # its topics have been reset in its place
)
NEWEST = select(Account.id, *PUBLISHED).where(Account.id.in_(bindparam("ids", expanding=True)))

logger = logging.getLogger(__name__)


def record(event: str, account_id: int, topics: Sequence[str], data: Mapping[str, Any]) -> None:
    """Publish `event` to `topics`, in this order, after the commit of the present transaction.

    The transaction must have changed, and so locked, the event's row before it reads `data`. Raises
    CatalogueError if the event does not match the catalogue.
    """
    assert not db.session().in_nested_transaction(), "a savepoint's events would outlive it"
    row = {
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
        execute(INSERT, session.info.pop("outbox"))
        session.info["outbox_written"] = True


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


class Relay:
    """Publishes the rows of the outbox. Several relays may run at once, one in each process."""

    def __init__(self, app: Flask, broker: Broker):
        self._app = app
        self._broker = broker
        self._woken = Event()
        self._backoff = Backoff(logger, "Events wait in the outbox", *RETRY_DELAY, away=is_away)
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Start publishing in a greenlet. A second call does nothing."""
        if self._greenlet is None:
            sqlalchemy_event.listen(db.session, "after_commit", self._after_commit)
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet is not None:
            sqlalchemy_event.remove(db.session, "after_commit", self._after_commit)
            self._greenlet.kill()
            self._greenlet = None

    def _after_commit(self, session: Session) -> None:
        if session.info.pop("outbox_written", False):
            self._woken.set()
            gevent.sleep(0)  # the relay sends to Redis first; meanwhile the request goes on

    def _run(self) -> None:
        while True:
            self._woken.wait(SWEEP)
            self._woken.clear()
            try:
                while self.publish_batch():
                    pass
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)

    def publish_batch(self) -> int:
        """Publish up to BATCH rows and delete them. Returns their number.

        Raises RedisError or OSError when Redis is unavailable: unpublished rows stay.
        """
        with self._app.app_context():
            rows = execute(PENDING).all()
            db.session.rollback()  # no transaction stays open while the relay waits for Redis
            batch = Batch(self._broker)
            try:
                for account_id, group in groupby(rows, key=lambda row: row.account_id):
                    batch.publish(account_id, list(group))
            except Exception:  # not GreenletExit: `key` keeps a row from being published twice
                batch.settle()
                raise
            gevent.sleep(0)  # deliver the events first, then delete their rows
            batch.settle()
            return len(rows)


class Batch:
    """Rows in flight: each is published, refused, or stays for the next attempt."""

    def __init__(self, broker: Broker):
        self._broker = broker
        self._published: list[int] = []
        self._newest: dict[int, Cursor] = {}  # of each account
        self._refused: list[tuple[Any, Exception]] = []

    def publish(self, account_id: int, rows: Sequence[Any]) -> None:
        """Publish all rows at once or, if Redis refuses one, one by one. No row goes out twice.

        A Redis that is behind the published position read with the rows is refused.
        """
        self._broker.high_water_marks.observe(account_id, position(rows[-1]))
        try:
            self._broker.publish_all(account_id, [publication(row) for row in rows])
            self._note(account_id, rows)
        except Exception as error:
            if is_state(error):
                raise
            for row in rows:
                self._publish_one(account_id, row)

    def _publish_one(self, account_id: int, row: Any) -> None:
        try:
            self._broker.publish_all(account_id, [publication(row)])
            self._note(account_id, [row])
        except Exception as error:
            if is_state(error) or (is_state(error) is None and not self._broker.takes_events()):
                raise
            logger.exception("Event %s (%s) is set aside: it can't be published", row.id, row.event)
            self._reset(account_id, row)
            self._refused.append((row, error))

    def _note(self, account_id: int, rows: Sequence[Any]) -> None:
        self._published += (row.id for row in rows)
        self._newest[account_id] = self._broker.high_water_marks.newest(account_id)

    def _reset(self, account_id: int, row: Any) -> None:
        """Publish stream.reset to the topics of an event that can't be published."""
        for topic in row.topics if isinstance(row.topics, list) else ():
            try:
                self._broker.publish(account_id, f"{row.key}:{topic}", RESET, [(topic, RESET_BODY)])
            except Exception as error:
                if is_state(error):
                    raise
                logger.warning("Topic %s can't be reset either: %s", topic, error)

    def settle(self) -> None:
        """Delete published rows, and make refused ones dead letters with their error."""
        for account_id, newest in sorted(self._newest.items()):  # so that relays don't deadlock
            values = newest._asdict() | {"epoch": int(newest.epoch), "account_id": account_id}
            execute(ADVANCE, values)
        if self._published:
            execute(DELETE, {"published": self._published})
        for row, error in self._refused:
            text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
            db.session.execute(
                update(OutboxEvent)
                .where(OutboxEvent.id == row.id)
                .values(dead_lettered_at=clock.now(), error=text.replace("\0", "\\0")[:ERROR_LIMIT])
            )
        db.session.commit()


def position(row: Any) -> Cursor:
    """The cursor in an account's `published_…` columns."""
    return Cursor(str(row.published_epoch), row.published_ms, row.published_n)


def newest_published(app: Flask, account_ids: Collection[int]) -> dict[int, Cursor]:
    """For each of these accounts that exists, a cursor at least as new as every event that has left
    the outbox. Raises NoRecord when the database is unavailable.
    """
    # A request uses its own connection: waiting for a second one, requests could deadlock.
    context = nullcontext() if has_app_context() else app.app_context()
    try:
        with context:
            rows = db.session.execute(NEWEST, {"ids": list(account_ids)})
            return {row.id: position(row) for row in rows}
    except SQLAlchemyError as error:
        raise NoRecord("The database does not say what was published") from error


def publication(row: Any) -> Publication:
    """The envelope for each topic of a row, as JSON. Raises any error of encoding."""
    encoded: dict[str, bytes] = {}  # by stream, because several topics may share one
    bodies = []
    for topic in row.topics:
        stream = audience.stream_of(topic, row.account_id)
        if stream not in encoded:
            envelope = {
                "event": row.event,
                "stream": stream,
                "timestamp": int(row.created_at.timestamp()),
                "data": row.data,
            }
            encoded[stream] = catalogue.encode(envelope).encode()
        bodies.append((topic, encoded[stream]))
    return Publication(row.key, row.event, bodies)
