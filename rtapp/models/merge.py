from datetime import datetime
from datetime import timedelta

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.config import UNDO_DAYS

from .types import Id
from .types import Moment
from .types import UtcDateTime


class Merge:
    """What the merges of contacts and those of conversations have in common: when, and who has
    undone it."""

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    merged_at: Mapped[Moment]
    undone_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    @property
    def undo_until(self) -> datetime:
        return self.merged_at + timedelta(days=UNDO_DAYS)
