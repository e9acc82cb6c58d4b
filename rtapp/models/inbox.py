from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import Id
from .types import Name
from .types import Named


class Inbox(Named, Model):
    """A channel on which customers write: a web site, an e-mail address."""

    __tablename__ = "inboxes"

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[Name]


class InboxMember(Model):
    """The membership of an agent in an inbox."""

    __tablename__ = "inbox_members"

    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
