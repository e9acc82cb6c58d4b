from collections.abc import Iterator
from datetime import datetime
from typing import Literal
from typing import get_args

from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import TextClause
from sqlalchemy import text
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

Status = Literal["open", "pending", "snoozed", "resolved", "spam"]
STATUSES: tuple[str, ...] = get_args(Status)
SPAM = "spam"  # its customer's messages alert no user, and no list but its own has it
ENDED = ("resolved", SPAM)  # the statuses in which no customer waits for an answer

# The columns by which lists are filtered, and the index's name.
FILTERS = {
    "by_account": ("account_id",),
    "by_status": ("account_id", "status"),
    "by_assignee": ("account_id", "assignee_id"),
    "by_assignee_and_status": ("account_id", "assignee_id", "status"),
    "by_inbox": ("inbox_id",),
    "by_inbox_and_status": ("inbox_id", "status"),
}


def lists(name: str, column: str, where: TextClause | None = None) -> Iterator[Index]:
    """An index for each kind of list: the columns of its filter, then those of its order."""
    for kind, filtered in FILTERS.items():
        yield Index(
            f"ix_conversations_{name.format(kind)}",
            *filtered,
            column,
            "id",
            sqlite_where=where,
            postgresql_where=where,
        )


class Conversation(Model):
    """A thread with one contact in one inbox. `last_message` is the preview in lists.

    `last_public_at` is the time of the last message that the contact sees, or of the beginning.
    `waiting_since` is the time of the contact's first message without a reply, else None: see
    services/waiting.py.
    `snoozed_by` is set while it is snoozed, `snoozed_until` too if it reopens at that time.
    `contact_read_id` is the read marker of the contact.
    `awaits_assignee_since` is set while it is to be assigned: see services/auto_assign.py.
    `merged_into_id` is the conversation that has this one's messages since a merge, else None. That
    one is not merged itself. See services/merge_conversations.py.
    `status_version` is the version with which the status last changed, and so on; `asked_version`
    that with which the contact last wrote. See services/row_lock.py.
    """

    __tablename__ = "conversations"
    __table_args__ = (
        *lists("{}", "last_public_at"),
        # The last reply to a contact ends their wait, so these have few rows.
        *lists("waiting_{}", "waiting_since", where=text("waiting_since IS NOT NULL")),
        Index(None, "snoozed_until"),
        Index(
            None,
            "awaits_assignee_since",
            sqlite_where=text("awaits_assignee_since IS NOT NULL"),
            postgresql_where=text("awaits_assignee_since IS NOT NULL"),
        ),
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
    last_public_at: Mapped[Moment] = mapped_column(default=clock.now)
    waiting_since: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    awaits_assignee_since: Mapped[datetime | None] = mapped_column(UtcDateTime, default=None)
    merged_into_id: Mapped[int | None] = mapped_column(
        ForeignKey("conversations.id"), index=True, default=None
    )
    version: Mapped[Version]
    status_version: Mapped[Version]
    assignee_version: Mapped[Version]
    labels_version: Mapped[Version]
    asked_version: Mapped[Version]

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
