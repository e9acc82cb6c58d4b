from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .contact import Contact
from .merge import Merge
from .user import User


class ContactMerge(Merge, Model):
    """A merge of `source` into `target`, with what undoing it needs.

    `conversation_ids`: the conversations that moved. `contact_ids`: the contacts that had been
    merged into the source before. The source's fields stay in its own row. `merged_by` is None if
    the visitor of a website has proved to be both: see services/identify_visitor.py.
    """

    __tablename__ = "contact_merges"

    source_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    conversation_ids: Mapped[list[int]] = mapped_column(JSON)
    contact_ids: Mapped[list[int]] = mapped_column(JSON)
    merged_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    source: Mapped[Contact] = relationship(foreign_keys=[source_id])
    merged_by: Mapped[User | None] = relationship(foreign_keys=[merged_by_id])
