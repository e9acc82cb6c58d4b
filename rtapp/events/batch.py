"""Rows of the outbox in flight: each is published, refused, or stays for the next attempt."""

import logging
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import update

from rtapp import clock
from rtapp.models import OutboxEvent
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import Publication
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.refusal import is_state

from . import audience
from . import catalogue
from . import waiting_rows
from .outbox import RESET
from .published import position

RESET_BODY = '{"reason": "history_lost"}'
ERROR_LIMIT = 1_000  # characters kept of an error

REFUSE = (
    update(OutboxEvent.__table__)
    .where(OutboxEvent.id == bindparam("row"))
    .values(set_aside_at=bindparam("now"), error=bindparam("text"))
)

logger = logging.getLogger(__name__)


class Batch:
    """What is published and not yet settled. After an error, `settle` what was published before."""

    def __init__(self, broker: Broker):
        self._broker = broker
        self.published: list[int] = []
        self._newest: dict[int, Cursor] = {}  # of each account
        self._refused: list[tuple[Any, Exception]] = []

    def __len__(self) -> int:
        return len(self.published) + len(self._refused)

    def publish(self, account_id: int, rows: Sequence[Any]) -> None:
        """Publish all rows at once or, if Redis refuses one, one by one. No row goes out twice.

        A Redis that is behind the published position read with the rows is refused. Raises
        RedisError or OSError if Redis is in no state to publish: unpublished rows stay.
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
            passes = is_state(error)
            if passes or (passes is None and not self._broker.takes_events(account_id)):
                raise
            logger.exception("Event %s (%s) is set aside: it can't be published", row.id, row.event)
            self._reset(account_id, row)
            self._refused.append((row, error))

    def _note(self, account_id: int, rows: Sequence[Any]) -> None:
        self.published += (row.id for row in rows)
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

    @property
    def taken(self) -> list[int]:
        """The ids of rows that are published or refused, and are still in the outbox."""
        return [*self.published, *(row.id for row, _ in self._refused)]

    def settle(self) -> None:
        """Delete published rows, and make refused ones dead letters with their error."""
        if self._refused:
            with waiting_rows.alone() as connection:
                for row, error in self._refused:
                    values = {"row": row.id, "now": clock.now(), "text": text_of(error)}
                    connection.execute(REFUSE, values)
        if self.published:
            waiting_rows.settle(self.published, self._newest)
        self.published, self._newest, self._refused = [], {}, []


def text_of(error: Exception) -> str:
    text = f"{type(error).__name__}: {error}".encode(errors="backslashreplace").decode()
    return text.replace("\0", "\\0")[:ERROR_LIMIT]


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
