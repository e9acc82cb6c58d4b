from datetime import datetime

from sqlalchemy import CheckConstraint
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.config import ATTACHMENT_NAME_LIMIT
from rtapp.extensions import Model

from .types import CreatedAt
from .types import Id
from .types import UtcDateTime


class Attachment(Model):
    """A file that its sender, a user or a contact, has uploaded to send it with a message.

    `key` names it in addresses, and in the storage. `message_id` is None until it is sent, and
    again once its message is deleted: then it is nobody's, and `expires_at` is the time at which
    it is removed. It can't be sent or read before it is `stored`. `width` and `height` are those of
    a picture, which has a thumbnail. `content_type` is by its content: see media.py.
    """

    __tablename__ = "attachments"
    __table_args__ = (
        CheckConstraint("(user_id IS NULL) != (contact_id IS NULL)", name="one_sender"),
    )

    id: Mapped[Id]
    key: Mapped[str] = mapped_column(String(40), unique=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    message_id: Mapped[int | None] = mapped_column(ForeignKey("messages.id"), index=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"))
    name: Mapped[str] = mapped_column(String(ATTACHMENT_NAME_LIMIT))
    content_type: Mapped[str] = mapped_column(String(100))
    size: Mapped[int]
    width: Mapped[int | None]
    height: Mapped[int | None]
    stored: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)

    @property
    def thumbnail_key(self) -> str | None:
        """The thumbnail's name in the storage."""
        return f"{self.key}.thumbnail" if self.width is not None else None
