"""Who may see what. The one place that decides, for pages, streams, actions and deliveries alike.

An administrator of an account sees all of it; an agent who `sees: inbox` sees the conversations of
their inboxes; one who `sees: assigned` only those assigned to them. Nobody sees another account.
"""

from typing import TypeVar

from sqlalchemy import ColumnElement
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

INBOXES_APART = 20  # an agent of more sees so much of an account that its own order will do

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
ACCOUNT_OF_CONVERSATION = CONVERSATION.with_only_columns(Conversation.account_id)
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


def account_of_conversation(user: User, conversation_id: int) -> int:
    """The account of the conversation, if the user sees it. Raises NotFound likewise."""
    return found(
        db.session.scalar(ACCOUNT_OF_CONVERSATION, {"id": conversation_id, "viewer": user.id})
    )


def seen_by(membership: Membership, inbox: int | None = None) -> list[ColumnElement[bool]]:
    """What a member sees, or what they see of one inbox, as conditions on `Conversation`.

    No conversation meets two of them, and those that meet one are what SEEN says: but SEEN has to
    be tried on each conversation, and each of these is what an index has in the order of a list.
    """
    account = Conversation.account_id == membership.account_id
    of_inbox = [Conversation.inbox_id == inbox] if inbox is not None else []
    if membership.role == "administrator":
        return [and_(account, *of_inbox)]
    if membership.sees == "assigned":
        return [and_(account, Conversation.assignee_id == membership.user_id, *of_inbox)]
    own = db.session.scalars(
        INBOXES, {"account": membership.account_id, "viewer": membership.user_id}
    )
    inboxes = [id for id in own if inbox is None or id == inbox]
    if len(inboxes) > INBOXES_APART:
        return [and_(account, Conversation.inbox_id.in_(inboxes))]
    return [and_(account, Conversation.inbox_id == id) for id in inboxes]


def inboxes_of(user: User, account_id: int) -> list[int]:
    """The ids of the account's inboxes that the user is a member of."""
    return list(db.session.scalars(INBOXES, {"account": account_id, "viewer": user.id}))


def found(thing: Thing | None) -> Thing:
    if thing is None:
        raise NotFound
    return thing
