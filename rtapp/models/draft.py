from sqlalchemy import ForeignKey
from sqlalchemy import Text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import UpdatedAt
from .types import Version


class Draft(Model):
    """The texts that a user has written in a conversation and not sent: a reply and a note.

    An emptied draft keeps its row. Its version would otherwise begin again, and a device with an
    old text could have the right version by accident.
    """

    __tablename__ = "drafts"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    reply: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    version: Mapped[Version]
    updated_at: Mapped[UpdatedAt]
