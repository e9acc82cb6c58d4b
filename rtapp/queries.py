"""Reading pages of lists: what a user sees, in order, and from where the next page begins."""

from datetime import UTC
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy.orm import joinedload
from sqlalchemy.orm import selectinload

from rtapp import access
from rtapp.config import ID_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.errors import BadRequest
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import User


class ConversationPage(NamedTuple):
    """Newest activity first. `next_before` is where the next page begins, None after the last."""

    conversations: list[Conversation]
    next_before: str | None


class MessagePage(NamedTuple):
    """Oldest first. `next_before` is the message before which there are older ones, or None."""

    messages: list[Message]
    next_before: int | None


class NotificationPage(NamedTuple):
    """Newest first. `next_before` is the notification before which there are older ones."""

    notifications: list[Notification]
    next_before: int | None


def conversations(
    user: User,
    account_id: int,
    *,
    status: str | None = None,
    assignee: str | None = None,
    inbox: int | None = None,
    before: str | None = None,
    limit: int = PAGE_SIZE,
) -> ConversationPage:
    """The account's conversations that `user` sees. `assignee` is `me`, `none` or a user's id.

    Raises BadRequest for a `before` that was not a page's `next_before`.
    """
    place = (Conversation.last_activity_at, Conversation.id)
    query = (
        select(Conversation)
        .where(Conversation.account_id == account_id, access.SEEN)
        .order_by(*(column.desc() for column in place))
        .options(*presenters.PRESENTED)
        .limit(limit + 1)
    )
    if status is not None:
        query = query.where(Conversation.status == status)
    if assignee == "none":
        query = query.where(Conversation.assignee_id.is_(None))
    elif assignee is not None:
        query = query.where(
            Conversation.assignee_id == (user.id if assignee == "me" else int(assignee))
        )
    if inbox is not None:
        query = query.where(Conversation.inbox_id == inbox)
    if before is not None:
        query = query.where(tuple_(*place) < tuple_(*parsed_place(before)))
    rows = list(db.session.scalars(query, {"viewer": user.id}))
    more = len(rows) > limit
    rows = rows[:limit]
    return ConversationPage(rows, place_of(rows[-1]) if more else None)


def messages(
    conversation: Conversation,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE_SIZE,
    public: bool = False,
) -> MessagePage:
    """The newest messages of a thread, or those just before or just after one (by its id).

    `public` ones only, for visitors.
    """
    query = (
        select(Message)
        .where(Message.conversation_id == conversation.id)
        .options(selectinload(Message.user), selectinload(Message.contact))
        .limit(limit + 1)
    )
    if public:
        query = query.where(access.PUBLIC)
    if before is not None:
        query = query.where(Message.id < before)
    if after is not None:
        rows = list(db.session.scalars(query.where(Message.id > after).order_by(Message.id)))
        return MessagePage(rows[:limit], None)
    rows = list(db.session.scalars(query.order_by(Message.id.desc())))
    more = len(rows) > limit
    rows = rows[:limit][::-1]
    return MessagePage(rows, rows[0].id if more else None)


def notifications(
    user: User,
    account_id: int,
    *,
    unread: bool = False,
    before: int | None = None,
    limit: int = PAGE_SIZE,
) -> NotificationPage:
    """The user's notifications in the account, of conversations that they see now."""
    query = (
        select(Notification)
        .join(Conversation, Conversation.id == Notification.conversation_id)
        .where(Notification.user_id == user.id, Notification.account_id == account_id, access.SEEN)
        .order_by(Notification.id.desc())
        .options(
            joinedload(Notification.conversation).joinedload(Conversation.contact),
            joinedload(Notification.message).joinedload(Message.user),
            joinedload(Notification.message).joinedload(Message.contact),
        )
        .limit(limit + 1)
    )
    if unread:
        query = query.where(Notification.read.is_(False))
    if before is not None:
        query = query.where(Notification.id < before)
    rows = list(db.session.scalars(query, {"viewer": user.id}))
    more = len(rows) > limit
    rows = rows[:limit]
    return NotificationPage(rows, rows[-1].id if more else None)


def place_of(row: Conversation) -> str:
    moment = row.last_activity_at
    return f"{int(moment.timestamp())}{moment.microsecond:06}-{row.id}"


def parsed_place(text: str) -> tuple[datetime, int]:
    microseconds, _, id = text.partition("-")
    if not (text.isascii() and microseconds.isdigit() and id.isdigit() and len(text) <= 30):
        raise BadRequest("The parameter before must be the next_before of an earlier answer.")
    seconds, rest = divmod(int(microseconds), 1_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    except (OverflowError, ValueError, OSError) as error:
        raise BadRequest(
            "The parameter before must be the next_before of an earlier answer."
        ) from error
    return moment, min(int(id), ID_LIMIT)
