from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import Id
from .types import Name
from .types import Named


class Inbox(Named, Model):
    """A channel on which customers write: a web site, an e-mail address.

    `auto_assign`: whether conversations that become open are assigned to its members in turn.
    `assignment_cap`: a member with so many open ones here gets no more that way; None: no limit.
    `turns` counts these assignments. See services/auto_assign.py.
    """

    __tablename__ = "inboxes"

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    name: Mapped[Name]
    auto_assign: Mapped[bool] = mapped_column(default=False)
    assignment_cap: Mapped[int | None] = mapped_column(default=None)
    turns: Mapped[int] = mapped_column(default=0)


class InboxMember(Model):
    """The membership of an agent in an inbox. `last_turn`: the inbox's turn in which the agent was
    last assigned a conversation automatically; 0: none."""

    __tablename__ = "inbox_members"

    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    last_turn: Mapped[int] = mapped_column(default=0)
