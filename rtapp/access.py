"""Who may see what. The one place that decides, for pages, streams, actions and deliveries alike.

An administrator of an account sees all of it; an agent who `sees: inbox` sees the conversations of
their inboxes; one who `sees: assigned` only those assigned to them. Nobody sees another account.
"""

from sqlalchemy import ColumnElement
from sqlalchemy import and_
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


def membership_in(user: User, account_id: int) -> Membership:
    """The user's membership of the account. Raises NotFound if there is none."""
    membership: Membership | None = db.session.scalar(
        select(Membership).where(Membership.account_id == account_id, Membership.user_id == user.id)
    )
    if membership is None:
        raise NotFound
    return membership


def conversation_for(user: User, conversation_id: int) -> Conversation:
    """The conversation, if the user sees it. Raises NotFound, whether it exists or not."""
    conversation: Conversation | None = db.session.scalar(
        select(Conversation).where(Conversation.id == conversation_id, seen_by(user))
    )
    if conversation is None:
        raise NotFound
    return conversation


def inboxes_of(user: User, account_id: int) -> list[int]:
    """The ids of the account's inboxes that the user is a member of."""
    from_account = select(Inbox.id).where(Inbox.account_id == account_id)
    return list(
        db.session.scalars(
            select(InboxMember.inbox_id).where(
                InboxMember.user_id == user.id, InboxMember.inbox_id.in_(from_account)
            )
        )
    )


def seen_by(user: User) -> ColumnElement[bool]:
    """The condition on `Conversation` that holds for what the user sees."""
    in_own_inbox = exists().where(
        InboxMember.inbox_id == Conversation.inbox_id, InboxMember.user_id == user.id
    )
    return exists().where(
        Membership.account_id == Conversation.account_id,
        Membership.user_id == user.id,
        or_(
            Membership.role == "administrator",
            and_(Membership.sees == "inbox", in_own_inbox),
            and_(Membership.sees == "assigned", Conversation.assignee_id == user.id),
        ),
    )
