from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .contact import Contact
from .merge import Merge


class ContactMerge(Merge, Model):
    """A merge of `source` into `target`, with what undoing it needs.

    `conversation_ids`: the conversations that moved. `contact_ids`: the contacts that had been
    merged into the source before. The source's fields stay in its own row.
    """

    __tablename__ = "contact_merges"

    source_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"))
    conversation_ids: Mapped[list[int]] = mapped_column(JSON)
    contact_ids: Mapped[list[int]] = mapped_column(JSON)

    source: Mapped[Contact] = relationship(foreign_keys=[source_id])
