"""From a committed row to a published event: nothing is lost between the two.

An event is a row, written in the transaction that made it true. The relay publishes rows in their
order and deletes them; it is woken after each commit, and sweeps for what others left behind. What
can't be published becomes a dead letter, and its streams are reset. What order is promised, and why
it holds: docs/decisions.md, "The outbox".
"""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from contextlib import nullcontext
from itertools import groupby
from typing import Any

import gevent
from flask import Flask
from flask import has_app_context
from gevent.event import Event
from redis.exceptions import RedisError
from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import func
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from rtapp import clock
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Account
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Publication
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.metrics import OUTBOX
from rtapp.realtime.refusal import is_state

from . import audience
from . import catalogue

BATCH = 100  # rows published at once: a few milliseconds for which Redis serves nobody else
SWEEP = 1.0  # s between two looks for rows that nobody woke us for
RESET = "stream.reset"
RESET_BODY = '{"reason": "history_lost"}'
ERROR_LIMIT = 1_000  # characters kept of an error

# Statements are built once. Columns and no objects: nothing here is changed row by row.
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
# Several relays may tell of one account, in any order.
ADVANCE = (
    update(Account.__table__)
    .where(
        Account.id == bindparam("account_id"),
        tuple_(*PUBLISHED) < tuple_(bindparam("epoch"), bindparam("ms"), bindparam("n")),
    )
    .values(
        published_epoch=bindparam("epoch"),
        published_ms=bindparam("ms"),
        published_n=bindparam("n"),
    )
)

logger = logging.getLogger(__name__)


def record(event: str, account_id: int, topics: Sequence[str], data: Mapping[str, Any]) -> None:
    """Has `event` published to `topics`, in this order, once the present transaction is committed.

    The transaction must have changed, and so locked, the row that the event is about before it
    reads what it puts into `data`. Raises CatalogueError if the catalogue does not describe it.
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
    """Last of all, so that ids are given when every row that was changed is locked."""
    if "outbox" in session.info and not session.in_nested_transaction():
        execute(INSERT, session.info.pop("outbox"))
        session.info["outbox_written"] = True


@sqlalchemy_event.listens_for(db.session, "after_rollback")
def forget(session: Session) -> None:
    session.info.pop("outbox", None)
    session.info.pop("outbox_written", None)


def measure() -> None:
    """Sets the gauges of how many events wait and how many are dead letters."""
    total, dead = db.session.execute(
        select(func.count(), func.count(OutboxEvent.dead_lettered_at)).select_from(OutboxEvent)
    ).one()
    OUTBOX.labels("waiting").set(total - dead)
    OUTBOX.labels("set_aside").set(dead)


def dead_letters() -> list[OutboxEvent]:
    """The events that can't be published as they are, oldest first."""
    dead = select(OutboxEvent).where(OutboxEvent.dead_lettered_at.is_not(None))
    return list(db.session.scalars(dead.order_by(OutboxEvent.id)))


def retry() -> int:
    """Has every dead letter published again. Returns how many there were."""
    tried = db.session.scalars(
        update(OutboxEvent)
        .where(OutboxEvent.dead_lettered_at.is_not(None))
        .values(dead_lettered_at=None, error=None)
        .returning(OutboxEvent.id)
    ).all()
    db.session.commit()
    return len(tried)


class Relay:
    """Publishes what the outbox holds. Several may run at once, in as many processes."""

    def __init__(self, app: Flask, broker: Broker):
        self._app = app
        self._broker = broker
        self._woken = Event()
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begins to publish, in a greenlet. Again: does nothing."""
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
            gevent.sleep(0)  # while Redis publishes, the request has time to make its answer

    def _run(self) -> None:
        while True:
            self._woken.wait(SWEEP)
            self._woken.clear()
            try:
                while self.publish_batch():
                    pass
            except (RedisError, OSError) as error:
                logger.warning("Events wait in the outbox: Redis is away (%s)", error)
                gevent.sleep(SWEEP)
            except Exception:
                logger.exception("The outbox can't be published; trying again")
                gevent.sleep(SWEEP)

    def publish_batch(self) -> int:
        """Publishes up to BATCH rows and deletes them. Returns how many there were.

        Raises RedisError or OSError when Redis is away: what has not gone out waits.
        """
        with self._app.app_context():
            rows = execute(PENDING).all()
            db.session.rollback()  # no transaction stays open while Redis answers
            batch = Batch(self._broker)
            try:
                for account_id, group in groupby(rows, key=lambda row: row.account_id):
                    batch.publish(account_id, list(group))
            except Exception:  # but not as it is stopped: what has gone out will not go out again
                batch.settle()
                raise
            gevent.sleep(0)  # whoever waits for the events comes before the notes about them
            batch.settle()
            return len(rows)


class Batch:
    """Rows on their way out: each is published, refused, or waits for another try."""

    def __init__(self, broker: Broker):
        self._broker = broker
        self._published: list[int] = []
        self._newest: dict[int, Cursor] = {}  # of each account
        self._refused: list[tuple[Any, Exception]] = []

    def publish(self, account_id: int, rows: Sequence[Any]) -> None:
        """All at once; should one be refused, one by one: what has gone out goes out once.

        Nothing goes to a Redis that is behind what had left the outbox when the rows were read.
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
        """Tells whoever would have heard the event that they missed something."""
        for topic in row.topics if isinstance(row.topics, list) else ():
            try:
                self._broker.publish(account_id, f"{row.key}:{topic}", RESET, [(topic, RESET_BODY)])
            except Exception as error:
                if is_state(error):
                    raise
                logger.warning("Topic %s can't be told of it either: %s", topic, error)

    def settle(self) -> None:
        """Deletes what was published, and keeps what was refused with its error."""
        for account_id, newest in sorted(self._newest.items()):  # so that relays don't deadlock
            told = newest._asdict() | {"epoch": int(newest.epoch), "account_id": account_id}
            execute(ADVANCE, told)
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
    """The cursor that stands in an account's columns."""
    return Cursor(str(row.published_epoch), row.published_ms, row.published_n)


def newest_published(app: Flask, account_id: int) -> Cursor | None:
    """Of an account, an event at least as new as every one that has left the outbox.

    None if there is no such account. Raises OSError when the database is away.
    """
    # A request's own connection will do: waiting for a second one, all could wait for each other.
    context = nullcontext() if has_app_context() else app.app_context()
    try:
        with context:
            row = db.session.execute(select(*PUBLISHED).where(Account.id == account_id)).first()
    except SQLAlchemyError as error:
        raise OSError("The database does not say what was published") from error
    return row and position(row)


def publication(row: Any) -> Publication:
    """The envelope for each topic of a row, as JSON. Raises what encoding it raises."""
    encoded: dict[str, bytes] = {}  # several topics may be heard on one stream
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
