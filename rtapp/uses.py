"""When tokens and sessions were used last. Use prolongs the token of a visitor who has written.

Requests note it in memory, and a poller writes it, so that no request waits for it. It costs a
token or session one write a minute at most, whatever the number of requests and processes.
"""

from datetime import datetime
from datetime import timedelta
from typing import Any
from typing import Generic
from typing import TypeVar

from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import exists
from sqlalchemy import or_
from sqlalchemy import update

from rtapp import clock
from rtapp.config import VISITOR_FOR
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Message
from rtapp.models import Token
from rtapp.models import UserSession
from rtapp.models.types import UtcDateTime

Key = TypeVar("Key", int, str)

INTERVAL = timedelta(minutes=1)  # between two writes of one row
BATCH = 200  # rows of a transaction, which holds up other writers of SQLite
# Of a token: that of a visitor who has written lasts for VISITOR_FOR from now on.
EXPIRY = case(
    (
        and_(Token.inbox_id.is_not(None), exists().where(Message.contact_id == Token.contact_id)),
        bindparam("until", type_=UtcDateTime),
    ),
    else_=Token.expires_at,
)


class Uses(Generic[Key]):
    """The uses of a table's rows, by their ids."""

    def __init__(self, model: type[Token] | type[UserSession]):
        self._noted: dict[Key, datetime] = {}
        self._written: dict[Key, datetime] = {}
        row, before = model.__table__.c, bindparam("before", type_=UtcDateTime)
        self._prolonged = {"expires_at": EXPIRY} if model is Token else {}
        # Another process may have written it in the last minute.
        not_yet = or_(row.last_used_at.is_(None), row.last_used_at <= before)
        self._update = (
            update(model.__table__)
            .where(row.id == bindparam("key"), not_yet)
            .values(last_used_at=bindparam("used", type_=UtcDateTime), **self._prolonged)
        )

    def note(self, key: Key) -> None:
        """Note that the row is used now."""
        self._noted[key] = clock.now()

    def write(self) -> int:
        """Write a batch of the uses that are due, and return how many there were. What a failure
        leaves is written later."""
        now = clock.now()
        for key in [key for key, at in self._written.items() if at <= now - INTERVAL]:
            del self._written[key]
        # Sorted: two processes that write the same rows do not wait for each other in a circle.
        due = sorted(key for key in self._noted if key not in self._written)[:BATCH]
        if not due:
            return 0
        noted = {key: self._noted[key] for key in due}
        rows: list[dict[str, Any]] = [
            {"key": key, "used": used, "before": min(used, now - INTERVAL)}
            for key, used in noted.items()
        ]
        if self._prolonged:
            rows = [{**row, "until": row["used"] + VISITOR_FOR} for row in rows]
        execute(self._update, rows)
        db.session.commit()
        for key, used in noted.items():
            self._written[key] = now
            if self._noted[key] == used:
                del self._noted[key]
        return len(due)
