from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.config import SHORTCUT_LIMIT
from rtapp.extensions import Model

from .types import CreatedAt
from .types import Id
from .types import UpdatedAt


class CannedReply(Model):
    """A text that an account's agents insert into a message by its `shortcut`.

    The page replaces the variables in `content`, such as `{{contact.name}}`.
    """

    __tablename__ = "canned_replies"
    __table_args__ = (UniqueConstraint("account_id", "shortcut"),)

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    shortcut: Mapped[str] = mapped_column(String(SHORTCUT_LIMIT))
    content: Mapped[str] = mapped_column(Text)
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[UpdatedAt]
