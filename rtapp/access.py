"""Who may see what. The one place that decides, for pages, streams, actions and deliveries alike.

An administrator of an account sees all of it; an agent who `sees: inbox` sees the conversations of
their inboxes; one who `sees: assigned` only those assigned to them. Nobody sees another account.
A visitor, who is a contact, sees the conversations with themselves, and of those what is public.
"""

from typing import Any
from typing import NamedTuple
from typing import TypeVar

from sqlalchemy import ColumnElement
from sqlalchemy import Integer
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import exists
from sqlalchemy import literal
from sqlalchemy import or_
from sqlalchemy import select

from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Agent
from rtapp.models import AnyConversation
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import Principal
from rtapp.models import User

Thing = TypeVar("Thing")


def sees(member: Any, inbox_id: Any, assignee_id: Any) -> ColumnElement[bool]:
    """The rule: whether a member sees a conversation of this inbox that is assigned to that user.

    `member` has the columns of Membership; the account is the caller's to compare.
    """
    own_inboxes = select(InboxMember.inbox_id).where(InboxMember.user_id == member.user_id)
    return or_(
        member.role == "administrator",
        and_(member.sees == "inbox", inbox_id.in_(own_inboxes)),
        and_(member.sees == "assigned", assignee_id == member.user_id),
    )


class ConversationRef(NamedTuple):
    """As much of a conversation as says who hears of it."""

    id: int
    account_id: int
    inbox_id: int
    assignee_id: int | None


INBOXES_APART = 20  # an agent of more sees so much of an account that its own order will do

# Statements are built once: building one costs more than running it. `:viewer` is the user's id.
VIEWER = bindparam("viewer", type_=Integer)
# The condition on `Conversation` that holds for what the viewer sees.
SEEN = (
    exists()
    .where(
        Membership.account_id == Conversation.account_id,
        Membership.user_id == VIEWER,
        sees(Membership, Conversation.inbox_id, Conversation.assignee_id),
    )
    .correlate(Conversation)
)
CONVERSATION = select(Conversation).where(Conversation.id == bindparam("id"), SEEN)
REF_COLUMNS = (
    Conversation.id,
    Conversation.account_id,
    Conversation.inbox_id,
    Conversation.assignee_id,
)
CONVERSATION_REF = CONVERSATION.with_only_columns(*REF_COLUMNS)
CUSTOMER_CONVERSATION = select(Conversation).where(
    Conversation.id == bindparam("id"), Conversation.contact_id == VIEWER
)
CUSTOMER_CONVERSATION_REF = CUSTOMER_CONVERSATION.with_only_columns(*REF_COLUMNS)
# The condition on `Message` that holds for what a visitor sees of their conversation.
PUBLIC = and_(Message.private.is_(False), Message.message_type != "activity")
MESSAGE = (
    select(Message)
    .join(Conversation, Conversation.id == Message.conversation_id)
    .where(Message.id == bindparam("id"), SEEN)
)
NOTIFICATION = (
    select(Notification)
    .join(Conversation, Conversation.id == Notification.conversation_id)
    .where(Notification.id == bindparam("id"), Notification.user_id == VIEWER, SEEN)
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


def membership_in(user: Agent, account_id: int) -> Membership:
    """The user's membership of the account. Raises NotFound if there is none."""
    return found(db.session.scalar(MEMBERSHIP, {"account": account_id, "viewer": user.id}))


def conversation_for(principal: Principal, conversation_id: int) -> Conversation:
    """The conversation, if the principal sees it. Raises NotFound, whether it exists or not."""
    statement = CUSTOMER_CONVERSATION if isinstance(principal, Customer) else CONVERSATION
    return found(db.session.scalar(statement, {"id": conversation_id, "viewer": principal.id}))


def conversation_ref(principal: Principal, conversation_id: int) -> ConversationRef:
    """Where the conversation is, if the principal sees it. Raises NotFound likewise."""
    statement = CUSTOMER_CONVERSATION_REF if isinstance(principal, Customer) else CONVERSATION_REF
    row = execute(statement, {"id": conversation_id, "viewer": principal.id}).one_or_none()
    return ConversationRef(*found(row))


def message_for(user: Agent, message_id: int) -> Message:
    """The message, if the user sees its conversation. Raises NotFound likewise."""
    return found(db.session.scalar(MESSAGE, {"id": message_id, "viewer": user.id}))


def may_change(user: Agent, message: Message) -> bool:
    """Whether the user, who sees the message, may edit and delete it: their own, or any if they
    administer the account. Nobody changes what the thread says by itself."""
    if message.message_type == "activity":
        return False
    return message.user_id == user.id or (
        membership_in(user, message.account_id).role == "administrator"
    )


def notification_for(user: Agent, notification_id: int) -> Notification:
    """The user's own notification, if they still see its conversation. Raises NotFound likewise."""
    return found(db.session.scalar(NOTIFICATION, {"id": notification_id, "viewer": user.id}))


def inbox_for(user: Agent, account_id: int, inbox_id: int) -> Inbox:
    """The account's inbox, if the user may begin conversations in it: an administrator in each,
    an agent in their own. Raises NotFound likewise."""
    inbox = db.session.get(Inbox, inbox_id)
    if inbox is None or inbox.account_id != account_id:
        raise NotFound
    if membership_in(user, account_id).role != "administrator":
        found(db.session.get(InboxMember, (inbox_id, user.id)))
    return inbox


def who_sees(conversation: AnyConversation) -> list[User]:
    """Everyone of the team who sees the conversation."""
    inbox_id, assignee_id = (
        literal(conversation.inbox_id, Integer),
        literal(conversation.assignee_id, Integer),
    )
    members = select(Membership.user_id).where(
        Membership.account_id == conversation.account_id, sees(Membership, inbox_id, assignee_id)
    )
    return list(db.session.scalars(select(User).where(User.id.in_(members)).order_by(User.id)))


def would_see(user_id: int, conversation: Conversation) -> User | None:
    """The user, if they would see the conversation were it assigned to them; else None."""
    inbox_id, assignee_id = literal(conversation.inbox_id, Integer), literal(user_id, Integer)
    member = exists().where(
        Membership.account_id == conversation.account_id,
        Membership.user_id == user_id,
        sees(Membership, inbox_id, assignee_id),
    )
    user: User | None = db.session.scalar(select(User).where(User.id == user_id, member))
    return user


def sees_conversation(user_id: int, conversation_id: int) -> bool:
    """Whether the user sees the conversation now."""
    asked = {"id": conversation_id, "viewer": user_id}
    return execute(CONVERSATION_REF, asked).first() is not None


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
    own = execute(
        INBOXES, {"account": membership.account_id, "viewer": membership.user_id}
    ).scalars()
    inboxes = [id for id in own if inbox is None or id == inbox]
    if len(inboxes) > INBOXES_APART:
        return [and_(account, Conversation.inbox_id.in_(inboxes))]
    return [and_(account, Conversation.inbox_id == id) for id in inboxes]


def inboxes_of(user: Agent, account_id: int) -> list[int]:
    """The ids of the account's inboxes that the user is a member of."""
    return list(execute(INBOXES, {"account": account_id, "viewer": user.id}).scalars())


def found(thing: Thing | None) -> Thing:
    if thing is None:
        raise NotFound
    return thing
