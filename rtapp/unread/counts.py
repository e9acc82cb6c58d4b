"""Unread messages and conversations of a user, counted from the rows.

A message is unread if the customer wrote it after the user's read marker. Deleted messages, what
colleagues wrote, activity, and spam never are.
"""

from collections.abc import Collection
from collections.abc import Iterable
from typing import Any
from typing import NamedTuple

from sqlalchemy import Row
from sqlalchemy import Select
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import exists
from sqlalchemy import func
from sqlalchemy import select

from rtapp import access
from rtapp.access import VIEWER
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import ReadMarker
from rtapp.models.conversation import SPAM

from .capped_id_set import MAX_COUNT
from .capped_id_set import MAX_IDS
from .capped_id_set import VIEWS
from .capped_id_set import CappedIdSet
from .capped_id_set import views_of

FIRST_PAGE = 100  # conversations whose numbers a stream receives when it goes live
MAX_PER_QUERY = 1_000  # numbers counted by one query: some milliseconds

READ_UP_TO = func.coalesce(ReadMarker.message_id, 0)
UNREAD = (
    select(Message.id)
    .where(
        Message.conversation_id == Conversation.id,
        Message.id > READ_UP_TO,
        Message.deleted.is_(False),
        Message.message_type == "incoming",
    )
    .correlate(Conversation, ReadMarker)
)
CAPPED_UNREAD = UNREAD.limit(MAX_COUNT).subquery()
COUNT = select(func.count()).select_from(CAPPED_UNREAD).scalar_subquery()


class OneMember:
    """The viewer's membership: the inboxes of one member are queried once, not for each row."""

    user_id = VIEWER
    role = Membership.role
    sees = Membership.sees


def seen(*columns: Any) -> Select[Any]:
    """Select from conversations joined with the members that see them, and their read markers."""
    sees = access.sees(Membership, Conversation.inbox_id, Conversation.assignee_id)
    marker = and_(
        ReadMarker.user_id == Membership.user_id, ReadMarker.conversation_id == Conversation.id
    )
    return (
        select(*columns)
        .select_from(Conversation)
        .join(Membership, and_(Membership.account_id == Conversation.account_id, sees))
        .outerjoin(ReadMarker, marker)
    )


# Statements are built once. None returns what its user does not see.
STATES = seen(
    Membership.user_id,
    Conversation.id,
    Conversation.status,
    Conversation.assignee_id,
    COUNT.label("unread"),
).where(
    Conversation.id.in_(bindparam("conversations", expanding=True)),
    Membership.user_id.in_(bindparam("users", expanding=True)),
)
# A subquery in place of the join: PostgreSQL would read all of a user's markers to join them.
OWN_MARKER = func.coalesce(
    select(ReadMarker.message_id)
    .where(ReadMarker.user_id == VIEWER, ReadMarker.conversation_id == Conversation.id)
    .correlate(Conversation)
    .scalar_subquery(),
    0,
)
# The last message is no activity: if that is read, so is everything, and no row is counted.
UNREAD_IDS = (
    select(Conversation.id)
    .join(
        Membership,
        and_(
            Membership.account_id == Conversation.account_id,
            access.sees(OneMember, Conversation.inbox_id, Conversation.assignee_id),
        ),
    )
    .where(
        Conversation.account_id == bindparam("account"),
        Conversation.status == "open",
        Membership.user_id == VIEWER,
        Conversation.last_message_id > OWN_MARKER,
        exists()
        .where(
            Message.conversation_id == Conversation.id,
            Message.id > OWN_MARKER,
            Message.deleted.is_(False),
            Message.message_type == "incoming",
        )
        .correlate(Conversation),
    )
    .limit(MAX_IDS + 1)
)
STATEMENTS = {
    "mine": UNREAD_IDS.where(Conversation.assignee_id == VIEWER),
    "unassigned": UNREAD_IDS.where(Conversation.assignee_id.is_(None)),
    "all": UNREAD_IDS,
}
NEWEST = (
    select(Conversation.id)
    .where(Conversation.account_id == bindparam("account"), access.SEEN)
    .order_by(Conversation.last_public_at.desc(), Conversation.id.desc())
    .limit(FIRST_PAGE)
)
assert tuple(STATEMENTS) == VIEWS


class UnreadState(NamedTuple):
    """A conversation's state for a user who sees it: its number of unread messages, at most
    MAX_COUNT, and the views in which it counts."""

    unread: int
    views: tuple[str, ...]


def unread_states(
    user_ids: Collection[int], conversation_ids: Iterable[int]
) -> dict[tuple[int, int], UnreadState]:
    """Return the states by (user, conversation), of one account, for users who see it."""
    found: dict[tuple[int, int], UnreadState] = {}
    users, conversations = list(user_ids), list(conversation_ids)
    step = max(1, MAX_PER_QUERY // max(1, len(users)))
    for start in range(0, len(conversations), step):
        asked = {"users": users, "conversations": conversations[start : start + step]}
        for row in db.session.execute(STATES, asked):
            found[row.user_id, row.id] = unread_state(row)
    return found


def unread_state(row: Row[Any]) -> UnreadState:
    unread = row.unread if row.status != SPAM else 0
    counts = row.status == "open" and unread > 0
    return UnreadState(unread, views_of(row.user_id, row.assignee_id) if counts else ())


def of_conversations(user_id: int, conversation_ids: Collection[int]) -> dict[int, int]:
    """Return each conversation's number of unread messages, at most MAX_COUNT; 0 for one that the
    user does not see."""
    found = unread_states([user_id], conversation_ids)
    return {
        id: found[user_id, id].unread if (user_id, id) in found else 0 for id in conversation_ids
    }


def id_sets(user_id: int, account_id: int) -> dict[str, CappedIdSet]:
    """Return each view's open conversations with unread messages that the user sees."""
    asked = {"viewer": user_id, "account": account_id}
    return {
        view: CappedIdSet(db.session.scalars(statement, asked))
        for view, statement in STATEMENTS.items()
    }


def newest(user_id: int, account_id: int) -> list[int]:
    """Return the conversations on the first page of the user's list."""
    return list(db.session.scalars(NEWEST, {"viewer": user_id, "account": account_id}))
