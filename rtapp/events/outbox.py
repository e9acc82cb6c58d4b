"""From a committed row to a published event: nothing is lost between the two.

An event is a row, written in the transaction that made it true. The relay publishes rows in their
order and deletes them; it is woken after each commit, and sweeps for what others left behind.
"""

import logging
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import gevent
from flask import Flask
from gevent.event import Event
from redis.exceptions import RedisError
from sqlalchemy import delete
from sqlalchemy import event as sqlalchemy_event
from sqlalchemy import select
from sqlalchemy.orm import Session

from rtapp.extensions import db
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Broker

from . import audience
from . import catalogue

BATCH = 100  # rows read at once
SWEEP = 1.0  # s between two looks for rows that nobody woke us for

logger = logging.getLogger(__name__)


def record(event: str, account_id: int, topics: Sequence[str], data: Mapping[str, Any]) -> None:
    """Has `event` published to `topics`, in this order, once the present transaction is committed.

    Raises CatalogueError if the catalogue does not describe it.
    """
    db.session.add(
        OutboxEvent(
            event=event,
            account_id=account_id,
            topics=list(topics),
            data=catalogue.checked(event, data),
        )
    )
    db.session.info["outbox"] = True


class Relay:
    """Publishes what the outbox holds. Several may run at once, in as many processes.

    Order without a lock: rows of one conversation are committed in the order of their ids, because
    every change of a conversation locks its row first; each relay goes through the ids upwards;
    and a row that two of them publish goes out once, by its key. So no row of a conversation is
    ever published before one that was committed earlier.
    """

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
        if session.info.pop("outbox", False):
            self._woken.set()

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
        """Publishes up to BATCH rows and deletes them. Returns how many there were."""
        with self._app.app_context():
            rows = db.session.scalars(select(OutboxEvent).order_by(OutboxEvent.id).limit(BATCH))
            pending = [(row.account_id, row.key, row.event, bodies(row)) for row in rows]
            db.session.rollback()  # no transaction stays open while Redis answers
            published = []
            try:
                for account_id, key, event, texts in pending:
                    self._broker.publish(account_id, key, event, texts)
                    published.append(key)
            finally:
                if published:
                    # By key: SQLite gives the id of a deleted row to the next one, which another
                    # relay's batch would then delete unpublished.
                    db.session.execute(delete(OutboxEvent).where(OutboxEvent.key.in_(published)))
                    db.session.commit()
            return len(published)


def bodies(row: OutboxEvent) -> list[tuple[str, str]]:
    """The envelope for each topic of a row, as JSON text: (topic, envelope)."""
    return [
        (
            topic,
            catalogue.encode(
                {
                    "event": row.event,
                    "stream": audience.stream_of(topic, row.account_id),
                    "timestamp": int(row.created_at.timestamp()),
                    "data": row.data,
                }
            ),
        )
        for topic in row.topics
    ]
