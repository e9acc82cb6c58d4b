import uuid
from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import Integer
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt
from .types import UtcDateTime


class OutboxEvent(Model):
    """A committed event that is not yet published. Rows are published in the order of `id`.

    `key` is the idempotency key in Redis: an event is published once, however often it is retried.
    It is not the id, because a recreated database counts from 1 again while Redis keeps its keys.
    Ids are never reused; 32 bits would run out within years.

    `dead_lettered_at` and `error` are set for a dead letter: an event that can't be published.
    """

    __tablename__ = "outbox_events"
    __table_args__ = (
        # An account's waiting rows in their order, beside any number of other accounts' rows.
        Index(
            "ix_outbox_events_waiting",
            "account_id",
            "id",
            sqlite_where=text("set_aside_at IS NULL"),
            postgresql_where=text("set_aside_at IS NULL"),
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    key: Mapped[str] = mapped_column(String(32), default=lambda: uuid.uuid4().hex)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    event: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    topics: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[CreatedAt]
    dead_lettered_at: Mapped[datetime | None] = mapped_column("set_aside_at", UtcDateTime)
    error: Mapped[str | None] = mapped_column(Text)


class OutboxClaim(Model):
    """An account whose backlog one relay publishes, the `holder`, so that others do not read it.

    It ends at `until_ms`, by the database's clock: see events/waiting_rows.py. SQLite has one row,
    of no account.
    """

    __tablename__ = "outbox_claims"

    account_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str] = mapped_column(String(32))
    until_ms: Mapped[int] = mapped_column(BigInteger)
