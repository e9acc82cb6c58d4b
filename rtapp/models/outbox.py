import uuid
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt
from .types import Id


class OutboxEvent(Model):
    """An event that has become true and is still to be published, in the order of `id`.

    `key` names it for Redis, so that it goes out once however often it is tried. It is not the id,
    because a database made anew counts from one again beside a Redis that remembers.
    """

    __tablename__ = "outbox_events"

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(32), default=lambda: uuid.uuid4().hex)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    event: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    topics: Mapped[list[str]] = mapped_column(JSON)
    created_at: Mapped[CreatedAt]
