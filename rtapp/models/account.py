from typing import Annotated

from sqlalchemy import BigInteger
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt
from .types import Id
from .types import Name

Count = Annotated[int, mapped_column(BigInteger, default=0, server_default="0")]


class Account(Model):
    """A company that uses rtapp. Nothing crosses from one account to another.

    `published_…` is the cursor of an event that is at least as new as every one that has left the
    outbox: a Redis that is behind it has forgotten something. All 0: none has.
    """

    __tablename__ = "accounts"

    id: Mapped[Id]
    name: Mapped[Name]
    created_at: Mapped[CreatedAt]
    published_epoch: Mapped[Count]
    published_ms: Mapped[Count]
    published_n: Mapped[Count]
