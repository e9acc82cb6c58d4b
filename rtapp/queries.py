"""Queries of paginated lists: the rows that a principal sees, and the cursor of the next page."""

from collections.abc import Collection
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from typing import Any
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy import Subquery
from sqlalchemy import exists
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import union_all
from sqlalchemy.orm import joinedload
from sqlalchemy.orm import selectinload

from rtapp import access
from rtapp.config import ID_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.errors import BadRequest
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import ConversationLabel
from rtapp.models import Draft
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.text import is_blank

SEARCH_DEPTH = 2_000  # conversations searched for one page, of some ten messages each

LIST_ORDER = (Conversation.last_activity_at, Conversation.id)  # of a list, newest first


class ConversationPage(NamedTuple):
    """Newest activity first. `next_before` is the `before` of the next page, None on the last."""

    conversations: list[Conversation]
    next_before: str | None


class MessagePage(NamedTuple):
    """Oldest first. `next_before` is the `before` of the page of older messages, None on the first;
    `next_after` is the `after` of the page of newer ones, None on the last."""

    messages: list[Message]
    next_before: int | None
    next_after: int | None = None


class NotificationPage(NamedTuple):
    """Newest first. `next_before` is the `before` of the next page, None on the last."""

    notifications: list[Notification]
    next_before: int | None


def conversations(
    membership: Membership,
    *,
    status: str | None = None,
    assignee: str | None = None,
    inbox: int | None = None,
    label: int | None = None,
    q: str | None = None,
    before: str | None = None,
    limit: int = PAGE_SIZE,
) -> ConversationPage:
    """The conversations that the member sees. `assignee` is `me`, `none` or a user's id.

    `q` matches the contact's name and address, and the messages. One page searches SEARCH_DEPTH
    conversations: it may have fewer rows than `limit` and still a `next_before`. Raises BadRequest
    for a `before` that is no `next_before` of a page.
    """
    conditions: list[ColumnElement[bool]] = []
    if status is not None:
        conditions.append(Conversation.status == status)
    if assignee == "none":
        conditions.append(Conversation.assignee_id.is_(None))
    elif assignee is not None:
        id = membership.user_id if assignee == "me" else int(assignee)
        conditions.append(Conversation.assignee_id == id)
    if label is not None:
        conditions.append(labelled(label))
    if before is not None:
        conditions.append(tuple_(*LIST_ORDER) < tuple_(*parsed_page_end(before)))
    q = (q or "").strip()
    depth = SEARCH_DEPTH if q else limit
    page = newest(access.seen_by(membership, inbox), conditions, depth + 1)
    if page is None:
        return ConversationPage([], None)
    query = (
        select(Conversation)
        .join(page, page.c.id == Conversation.id)
        .order_by(page.c.last_activity_at.desc(), page.c.id.desc())
        .options(*presenters.PRESENTED)
        .limit(limit + 1)
    )
    rows = list(db.session.scalars(query.where(contains(q)) if q else query))
    if len(rows) > limit:
        return ConversationPage(rows[:limit], page_end(rows[limit - 1]))
    return ConversationPage(rows, search_end(page, depth) if q else None)


def newest(
    views: Sequence[ColumnElement[bool]], conditions: Sequence[ColumnElement[bool]], count: int
) -> Subquery | None:
    """Ids and times of the newest `count` conversations in the union of the views.

    Each view is read from an index in the list's order, and only its first `count` are merged. The
    caller joins the other columns. None if there are no views.
    """
    order = [column.desc() for column in LIST_ORDER]
    parts = [
        select(*LIST_ORDER).where(view, *conditions).order_by(*order).limit(count).subquery()
        for view in views
    ]
    if len(parts) < 2:
        return parts[0] if parts else None
    merged = union_all(*(select(part) for part in parts)).subquery()
    columns = (merged.c.last_activity_at, merged.c.id)
    return select(*columns).order_by(*(c.desc() for c in columns)).limit(count).subquery()


def labelled(label_id: int) -> ColumnElement[bool]:
    of_label = select(ConversationLabel.conversation_id)
    return Conversation.id.in_(of_label.where(ConversationLabel.label_id == label_id))


def contains(q: str) -> ColumnElement[bool]:
    """A search that ignores case; on SQLite only the case of ASCII."""
    return or_(
        Conversation.contact.has(
            or_(
                Contact.name.icontains(q, autoescape=True),
                Contact.email.icontains(q, autoescape=True),
            )
        ),
        exists().where(
            Message.conversation_id == Conversation.id,
            Message.deleted.is_(False),
            Message.content.icontains(q, autoescape=True),
        ),
    )


def search_end(page: Subquery, depth: int) -> str | None:
    """The `next_before` of a search of `depth` conversations, or None if it reached the end."""
    columns = (page.c.last_activity_at, page.c.id)
    query = select(*columns).order_by(*(column.desc() for column in columns))
    last = db.session.execute(query.offset(depth - 1).limit(2)).all()
    return page_end(last[0]) if len(last) == 2 else None


def messages(
    conversation: Conversation,
    *,
    before: int | None = None,
    after: int | None = None,
    limit: int = PAGE_SIZE,
    public: bool = False,
) -> MessagePage:
    """The newest messages of a thread, or those before or after the message with this id.

    With `public`, only those that the customer sees.
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
        return MessagePage(rows[:limit], None, rows[limit - 1].id if len(rows) > limit else None)
    rows = list(db.session.scalars(query.order_by(Message.id.desc())))
    more = len(rows) > limit
    rows = rows[:limit][::-1]
    newer = None if before is None else rows[-1].id if rows else 0
    return MessagePage(rows, rows[0].id if more else None, newer)


def messages_around(
    conversation: Conversation, message_id: int, limit: int = PAGE_SIZE
) -> MessagePage:
    """The newest messages if they include this one, else the messages on both sides of it."""
    newest = messages(conversation, limit=limit)
    if newest.next_before is None or message_id >= newest.next_before:
        return newest
    older = messages(conversation, before=message_id + 1, limit=limit - limit // 2)
    newer = messages(conversation, after=message_id, limit=limit // 2)
    return MessagePage([*older.messages, *newer.messages], older.next_before, newer.next_after)


def notifications(
    user: Agent,
    account_id: int,
    *,
    unread: bool = False,
    before: int | None = None,
    limit: int = PAGE_SIZE,
) -> NotificationPage:
    """The user's notifications in the account, of conversations that the user sees now."""
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


def drafts_of(user: Agent, conversation_ids: Collection[int]) -> set[int]:
    """Those of the conversations in which the user's own draft has a visible character."""
    query = select(Draft.conversation_id, Draft.reply, Draft.note).where(
        Draft.user_id == user.id, Draft.conversation_id.in_(conversation_ids)
    )
    rows = db.session.execute(query)
    return {id for id, reply, note in rows if not (is_blank(reply) and is_blank(note))}


def page_end(row: Any) -> str:
    """A `next_before`. `row` has `last_activity_at` and `id` of a page's last conversation."""
    moment = row.last_activity_at
    return f"{int(moment.timestamp())}{moment.microsecond:06}-{row.id}"


def parsed_page_end(text: str) -> tuple[datetime, int]:
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
