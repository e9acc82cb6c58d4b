from datetime import datetime

from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp import clock
from rtapp.extensions import Model

from .contact import Contact
from .inbox import Inbox
from .label import ConversationLabel
from .label import Label
from .message import Message
from .types import Choice
from .types import CreatedAt
from .types import Id
from .types import Moment
from .types import UtcDateTime
from .types import Version
from .user import User

STATUSES = ("open", "pending", "snoozed", "resolved")


class Conversation(Model):
    """A thread with one contact in one inbox. `last_message` is the preview in lists.

    `snoozed_by` is set while it is snoozed, `snoozed_until` too if it reopens at that time.
    `contact_read_id` is the read marker of the contact.
    """

    __tablename__ = "conversations"
    # One for each kind of list: the columns of its filter, then those of its order.
    __table_args__ = (
        Index(None, "account_id", "last_activity_at", "id"),
        Index(None, "snoozed_until"),
        Index(None, "account_id", "status", "last_activity_at", "id"),
        Index(None, "account_id", "assignee_id", "last_activity_at", "id"),
        Index(
            "ix_conversations_of_an_assignee_by_status",
            "account_id", "assignee_id", "status", "last_activity_at", "id",
        ),
        Index(None, "inbox_id", "last_activity_at", "id"),
        Index(None, "inbox_id", "status", "last_activity_at", "id"),
        # Covers the query of unread conversations in a view, so that it reads no rows.
        Index(
            "ix_conversations_of_a_view",
            "account_id", "status", "assignee_id", "inbox_id", "last_message_id", "id",
        ),
    )  # fmt: skip

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"))
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    assignee_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    last_message_id: Mapped[int | None] = mapped_column(
        ForeignKey("messages.id", use_alter=True), default=None
    )
    contact_read_id: Mapped[int | None] = mapped_column(
        ForeignKey("messages.id", use_alter=True), default=None
    )
    status: Mapped[Choice] = mapped_column(default="open")
    snoozed_until: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    snoozed_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), default=None)
    created_at: Mapped[CreatedAt]
    last_activity_at: Mapped[Moment] = mapped_column(default=clock.now)
    version: Mapped[Version]

    inbox: Mapped[Inbox] = relationship()
    contact: Mapped[Contact] = relationship()
    assignee: Mapped[User | None] = relationship(foreign_keys=[assignee_id])
    snoozed_by: Mapped[User | None] = relationship(foreign_keys=[snoozed_by_id])
    labels: Mapped[list[Label]] = relationship(
        secondary=ConversationLabel.__table__, order_by=Label.folded, passive_deletes=True
    )
    last_message: Mapped[Message | None] = relationship(
        foreign_keys=[last_message_id], post_update=True
    )
