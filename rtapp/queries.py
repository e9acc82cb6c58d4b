"""Queries of paginated lists: the rows that a principal sees, and the cursor of the next page."""

from collections.abc import Collection
from collections.abc import Mapping
from collections.abc import Sequence
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

from sqlalchemy import ColumnElement
from sqlalchemy import Subquery
from sqlalchemy import false
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import tuple_
from sqlalchemy import union_all
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm import joinedload
from sqlalchemy.orm import selectinload

from rtapp import access
from rtapp.config import ID_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.errors import BadRequest
from rtapp.events import presenters
from rtapp.excerpts import Hit
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import ConversationLabel
from rtapp.models import CustomerIdentity
from rtapp.models import Draft
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import MessageRevision
from rtapp.models import Notification
from rtapp.models.conversation import SPAM
from rtapp.search import Search
from rtapp.search import parsed
from rtapp.text import is_blank

SEARCH_DEPTH = 2_000  # conversations searched for one page, of some ten messages each
PRECISION = timedelta(milliseconds=1)  # of the times that clients have
LAST = datetime.max.replace(tzinfo=UTC)
WRONG_END = "The parameter before must be the next_before of an earlier answer with the same sort."


class Order(NamedTuple):
    """The order of a list: by the time `at` and the id. A conversation without the time is not in
    the list. `mark` is in the list's `next_before`, so that no other order takes it."""

    at: InstrumentedAttribute[Any]
    newest_first: bool
    mark: str

    def sorted(self, at: Any, id: Any) -> list[ColumnElement[Any]]:
        return [column.desc() if self.newest_first else column.asc() for column in (at, id)]

    def after(self, end: tuple[datetime, int]) -> ColumnElement[bool]:
        """The condition for the rows that follow the row with this time and id."""
        here, there = tuple_(self.at, Conversation.id), tuple_(*end)
        return here < there if self.newest_first else here > there

    def before(self, at: datetime) -> tuple[datetime, int]:
        """The time and id of a row that stands before all of this time, in whole milliseconds."""
        return (at + min(PRECISION, LAST - at) if self.newest_first else at), 0


ORDERS = {
    "newest": Order(Conversation.last_public_at, newest_first=True, mark=""),
    "oldest": Order(Conversation.last_public_at, newest_first=False, mark="oldest-"),
    "waiting": Order(Conversation.waiting_since, newest_first=False, mark="waiting-"),
}


class ConversationPage(NamedTuple):
    """`next_before` is the `before` of the next page, None on the last. `hits`: of a search, by the
    conversation's id."""

    conversations: list[Conversation]
    next_before: str | None
    hits: Mapping[int, Hit] = MappingProxyType({})


class OwnConversation(NamedTuple):
    """A conversation as its customer sees it: with the newest public message, and the number of
    those of the team that they have not read."""

    conversation: Conversation
    last: Message | None
    unread: int


class MessagePage(NamedTuple):
    """Oldest first. `next_before` is the `before` of the page of older messages, None on the first;
    `next_after` is the `after` of the page of newer ones, None on the last."""

    messages: list[Message]
    next_before: int | None
    next_after: int | None = None


class RevisionPage(NamedTuple):
    """Newest first. `next_before` is the `before` of the next page, None on the last."""

    revisions: list[MessageRevision]
    next_before: int | None


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
    sort: str = "newest",
    before: str | None = None,
    start: datetime | None = None,
    limit: int = PAGE_SIZE,
) -> ConversationPage:
    """The conversations that the member sees. `assignee` is `me`, `none` or a user's id, `status`
    one of theirs, or `any` but spam.

    `sort`: `newest` or `oldest`, by the last public message; or `waiting`: those in which the
    customer waits for an answer, the longest wait first.

    `q` is a search: see search.py. The conversation that it names, if it is an id, comes first. One
    page searches SEARCH_DEPTH conversations: it may have fewer rows than `limit` and still a
    `next_before`. Raises BadRequest for a `before` that is no `next_before` of a page.

    Without `before`, the page begins with the conversations of the time `start`, if there is one.
    """
    order = ORDERS[sort]
    end = parsed_page_end(order, before) if before is not None else None
    if end is None and start is not None:
        end = order.before(start)
    # Named even where it always holds: an index without NULL serves only queries that exclude it.
    conditions: list[ColumnElement[bool]] = [order.at.is_not(None)]
    is_any = status in (None, "any")
    conditions.append(Conversation.status != SPAM if is_any else Conversation.status == status)
    if assignee == "none":
        conditions.append(Conversation.assignee_id.is_(None))
    elif assignee is not None:
        id = membership.user_id if assignee == "me" else int(assignee)
        conditions.append(Conversation.assignee_id == id)
    if label is not None:
        conditions.append(labelled(label))
    if end is not None:
        conditions.append(order.after(end))
    views = access.seen_by(membership, inbox)
    search = parsed(q)
    if search is None:
        return page_of(order, views, conditions, limit)
    if not search.words:
        return ConversationPage([], None)
    named: list[Conversation] = []
    if search.number is not None:
        if end is None:
            named = with_id(search.number, views, conditions)
        conditions.append(Conversation.id != search.number)
    page = page_of(order, views, conditions, limit - len(named), search)
    found = [*named, *page.conversations]
    return ConversationPage(found, page.next_before, search.hits(found))


def with_id(
    id: int, views: Sequence[ColumnElement[bool]], conditions: Sequence[ColumnElement[bool]]
) -> list[Conversation]:
    query = select(Conversation).where(Conversation.id == id, or_(false(), *views), *conditions)
    return list(db.session.scalars(query.options(*presenters.PRESENTED)))


def page_of(
    order: Order,
    views: Sequence[ColumnElement[bool]],
    conditions: Sequence[ColumnElement[bool]],
    limit: int,
    search: Search | None = None,
) -> ConversationPage:
    depth = limit if search is None else SEARCH_DEPTH
    page = first(order, views, conditions, depth + 1)
    if page is None:
        return ConversationPage([], None)
    query = (
        select(Conversation, page.c.at)
        .join(page, page.c.id == Conversation.id)
        .order_by(*order.sorted(page.c.at, page.c.id))
        .options(*presenters.PRESENTED)
        .limit(limit + 1)
    )
    if search is not None:
        query = query.where(search.condition())
    rows = db.session.execute(query).all()
    found = [row.Conversation for row in rows]
    if len(rows) > limit:
        last = rows[max(limit - 1, 0)]
        # Without room for one row, the next page begins with the first.
        before_all = ID_LIMIT if order.newest_first else 0
        id = last.Conversation.id if limit else before_all
        return ConversationPage(found[:limit], page_end(order, last.at, id))
    return ConversationPage(found, None if search is None else search_end(order, page, depth))


def first(
    order: Order,
    views: Sequence[ColumnElement[bool]],
    conditions: Sequence[ColumnElement[bool]],
    count: int,
) -> Subquery | None:
    """The first `count` conversations in the union of the views: their times `at` and ids.

    Each view is read from an index in the list's order, and only its first `count` are merged. The
    caller joins the other columns. None if there are no views.
    """
    at, id = order.at.label("at"), Conversation.id
    parts = [
        select(at, id)
        .where(view, *conditions)
        .order_by(*order.sorted(order.at, id))
        .limit(count)
        .subquery()
        for view in views
    ]
    if len(parts) < 2:
        return parts[0] if parts else None
    merged = union_all(*(select(part) for part in parts)).subquery()
    columns = (merged.c.at, merged.c.id)
    return select(*columns).order_by(*order.sorted(*columns)).limit(count).subquery()


def labelled(label_id: int) -> ColumnElement[bool]:
    of_label = select(ConversationLabel.conversation_id)
    return Conversation.id.in_(of_label.where(ConversationLabel.label_id == label_id))


def search_end(order: Order, page: Subquery, depth: int) -> str | None:
    """The `next_before` of a search of `depth` conversations, or None if it reached the end."""
    columns = (page.c.at, page.c.id)
    query = select(*columns).order_by(*order.sorted(*columns))
    last = db.session.execute(query.offset(depth - 1).limit(2)).all()
    return page_end(order, *last[0]) if len(last) == 2 else None


def conversations_of(
    user: Agent, contact: Contact, *, before: str | None = None, limit: int = PAGE_SIZE
) -> ConversationPage:
    """The contact's conversations that the user sees, the newest first.

    Raises BadRequest for a `before` that is no `next_before` of a page.
    """
    order = ORDERS["newest"]
    query = (
        select(Conversation)
        .where(Conversation.contact_id == contact.id, access.SEEN)
        .order_by(*order.sorted(order.at, Conversation.id))
        .options(*presenters.PRESENTED)
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(order.after(parsed_page_end(order, before)))
    rows = list(db.session.scalars(query, {"viewer": user.id}))
    last = rows[limit - 1] if len(rows) > limit else None
    end = page_end(order, last.last_public_at, last.id) if last is not None else None
    return ConversationPage(rows[:limit], end)


def conversations_of_visitor(visitor: CustomerIdentity, limit: int) -> list[OwnConversation]:
    """The newest of the visitor's conversations."""
    order = ORDERS["newest"]
    own = db.session.scalars(
        select(Conversation)
        .where(access.OWN)
        .order_by(*order.sorted(order.at, Conversation.id))
        .options(*presenters.PRESENTED)
        .limit(limit),
        access.viewer(visitor),
    ).all()
    there = Message.conversation_id.in_([row.id for row in own])
    newest = select(func.max(Message.id)).where(there, access.PUBLIC)
    last = db.session.scalars(
        select(Message)
        .where(Message.id.in_(newest.group_by(Message.conversation_id)))
        .options(selectinload(Message.user), selectinload(Message.contact))
    )
    last_of = {message.conversation_id: message for message in last}
    unread = db.session.execute(
        select(Message.conversation_id, func.count())
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            there,
            access.PUBLIC,
            Message.message_type == "outgoing",
            Message.deleted.is_(False),
            Message.id > func.coalesce(Conversation.contact_read_id, 0),
        )
        .group_by(Message.conversation_id)
    )
    count_of = {row[0]: row[1] for row in unread}
    return [OwnConversation(row, last_of.get(row.id), count_of.get(row.id, 0)) for row in own]


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
        .options(
            selectinload(Message.user),
            selectinload(Message.contact),
            selectinload(Message.edited_by),
        )
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


def revisions(
    message: Message, *, before: int | None = None, limit: int = PAGE_SIZE
) -> RevisionPage:
    """The newest earlier texts of a message, or those before a version."""
    query = (
        select(MessageRevision)
        .where(MessageRevision.message_id == message.id)
        .options(selectinload(MessageRevision.edited_by))
        .order_by(MessageRevision.version.desc())
        .limit(limit + 1)
    )
    if before is not None:
        query = query.where(MessageRevision.version < before)
    rows = list(db.session.scalars(query))
    return RevisionPage(rows[:limit], rows[limit - 1].version if len(rows) > limit else None)


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


def page_end(order: Order, at: datetime, id: int) -> str:
    """A `next_before`, of a page whose last conversation has this time and id."""
    return f"{order.mark}{int(at.timestamp())}{at.microsecond:06}-{id}"


def parsed_page_end(order: Order, text: str) -> tuple[datetime, int]:
    """The time and id. Raises BadRequest for a text that is no `next_before` of this order."""
    microseconds, _, id = text.removeprefix(order.mark).partition("-")
    digits = text.isascii() and microseconds.isdigit() and id.isdigit() and len(text) <= 40
    if not (digits and text.startswith(order.mark)):
        raise BadRequest(WRONG_END)
    seconds, rest = divmod(int(microseconds), 1_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest)
    except (OverflowError, ValueError, OSError) as error:
        raise BadRequest(WRONG_END) from error
    return moment, min(int(id), ID_LIMIT)
