from typing import Annotated

from sqlalchemy import BigInteger
from sqlalchemy import false
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt
from .types import Id
from .types import Name
from .types import Named

Count = Annotated[int, mapped_column(BigInteger, default=0, server_default="0")]


class Account(Named, Model):
    """A company that uses rtapp. Accounts share no rows and no events.

    `published_…` is a cursor at least as new as every event that has left the outbox: a Redis that
    is behind it has lost data. All 0 before the first event.

    `messages_kept_days`: for how long after the last message those of a conversation are kept; None
    for ever. See services/remove_old_messages.py.
    """

    __tablename__ = "accounts"

    id: Mapped[Id]
    name: Mapped[Name]
    created_at: Mapped[CreatedAt]
    requires_second_factor: Mapped[bool] = mapped_column(default=False, server_default=false())
    published_epoch: Mapped[Count]
    published_ms: Mapped[Count]
    published_n: Mapped[Count]
    messages_kept_days: Mapped[int | None]
