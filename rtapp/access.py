"""Who may see what. The one place that decides, for pages, streams, actions and deliveries alike.

An administrator of an account sees all of it; an agent who `sees: inbox` sees the conversations of
their inboxes; one who `sees: assigned` only those assigned to them. Nobody sees another account.
"""

from typing import NamedTuple
from typing import TypeVar

from sqlalchemy import Integer
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import exists
from sqlalchemy import or_
from sqlalchemy import select

from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User

Thing = TypeVar("Thing")


class Place(NamedTuple):
    """As much of a conversation as says who hears of it."""

    id: int
    account_id: int
    inbox_id: int
    assignee_id: int | None


# Statements are built once: building one costs more than running it. `:viewer` is the user's id.
VIEWER = bindparam("viewer", type_=Integer)
OWN_INBOXES = select(InboxMember.inbox_id).where(InboxMember.user_id == VIEWER)
# The condition on `Conversation` that holds for what the viewer sees.
SEEN = (
    exists()
    .where(
        Membership.account_id == Conversation.account_id,
        Membership.user_id == VIEWER,
        or_(
            Membership.role == "administrator",
            and_(Membership.sees == "inbox", Conversation.inbox_id.in_(OWN_INBOXES)),
            and_(Membership.sees == "assigned", Conversation.assignee_id == VIEWER),
        ),
    )
    .correlate(Conversation)
)
CONVERSATION = select(Conversation).where(Conversation.id == bindparam("id"), SEEN)
PLACE = CONVERSATION.with_only_columns(
    Conversation.id, Conversation.account_id, Conversation.inbox_id, Conversation.assignee_id
)
MEMBERSHIP = select(Membership).where(
    Membership.account_id == bindparam("account"), Membership.user_id == VIEWER
)
INBOXES = (
    select(InboxMember.inbox_id)
    .join(Inbox, Inbox.id == InboxMember.inbox_id)
    .where(InboxMember.user_id == VIEWER, Inbox.account_id == bindparam("account"))
    .order_by(InboxMember.inbox_id)
)


def membership_in(user: User, account_id: int) -> Membership:
    """The user's membership of the account. Raises NotFound if there is none."""
    return found(db.session.scalar(MEMBERSHIP, {"account": account_id, "viewer": user.id}))


def conversation_for(user: User, conversation_id: int) -> Conversation:
    """The conversation, if the user sees it. Raises NotFound, whether it exists or not."""
    return found(db.session.scalar(CONVERSATION, {"id": conversation_id, "viewer": user.id}))


def place_of_conversation(user: User, conversation_id: int) -> Place:
    """Where the conversation is, if the user sees it. Raises NotFound likewise."""
    row = db.session.execute(PLACE, {"id": conversation_id, "viewer": user.id}).one_or_none()
    return Place(*found(row))


def inboxes_of(user: User, account_id: int) -> list[int]:
    """The ids of the account's inboxes that the user is a member of."""
    return list(db.session.scalars(INBOXES, {"account": account_id, "viewer": user.id}))


def found(thing: Thing | None) -> Thing:
    if thing is None:
        raise NotFound
    return thing
