from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import UpdatedAt


class ReadMarker(Model):
    """The message up to which a user has read a conversation."""

    __tablename__ = "read_markers"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    updated_at: Mapped[UpdatedAt]
