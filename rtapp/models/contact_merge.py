from datetime import datetime

from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .contact import Contact
from .types import Id
from .types import Moment
from .types import UtcDateTime
from .user import User


class ContactMerge(Model):
    """A merge of `source` into `target`, with what undoing it needs.

    `conversation_ids`: the conversations that moved. `contact_ids`: the contacts that had been
    merged into the source before. The source's fields stay in its own row.
    """

    __tablename__ = "contact_merges"

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    source_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    conversation_ids: Mapped[list[int]] = mapped_column(JSON)
    contact_ids: Mapped[list[int]] = mapped_column(JSON)
    merged_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    merged_at: Mapped[Moment]
    undone_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    undone_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)

    source: Mapped[Contact] = relationship(foreign_keys=[source_id])
    merged_by: Mapped[User] = relationship(foreign_keys=[merged_by_id])
