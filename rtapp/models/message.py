from datetime import datetime
from typing import Any

from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.config import CLIENT_ID_LIMIT
from rtapp.extensions import Model

from .contact import Contact
from .searched import Searched
from .types import Choice
from .types import CreatedAt
from .types import Id
from .types import UpdatedAt
from .types import UtcDateTime
from .types import Version
from .user import User


class Message(Searched, Model):
    """One entry of a thread: `message_type` incoming (from the contact), outgoing or activity.

    Exactly one of `user` and `contact`, the sender, is set. `client_id` is an id that the client
    chose; it identifies a retried request, and `request_digest` shows whether that one is the same:
    see services/repetition.py. A deleted message keeps its row, without content.

    `edited_at` is the time of the last edit. `edited_by` is None for an edit by a version of rtapp
    that did not keep it.

    `attachments` is what is shown of its files, in their order, so that a thread is one query; the
    rows of Attachment have the files. None without any.
    """

    SEARCHED = ("content",)

    __tablename__ = "messages"
    __table_args__ = (
        Index(None, "conversation_id", "id"),
        UniqueConstraint("user_id", "client_id"),
        UniqueConstraint("contact_id", "client_id"),
    )

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"))
    message_type: Mapped[Choice] = mapped_column(default="outgoing")
    private: Mapped[bool] = mapped_column(default=False)
    content: Mapped[str] = mapped_column(Text)
    client_id: Mapped[str | None] = mapped_column(String(CLIENT_ID_LIMIT))
    request_digest: Mapped[str | None] = mapped_column(String(64))
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
    edited_at: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    edited_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    version: Mapped[Version]
    attachments: Mapped[list[dict[str, Any]] | None] = mapped_column(
        JSON(none_as_null=True), default=None
    )

    user: Mapped[User | None] = relationship(foreign_keys=[user_id])
    contact: Mapped[Contact | None] = relationship()
    edited_by: Mapped[User | None] = relationship(foreign_keys=[edited_by_id])

    @property
    def sender(self) -> User | Contact:
        sender = self.user or self.contact
        assert sender is not None
        return sender
