"""Access rules. Pages, streams, actions and deliveries all authorise here, and nowhere else.

An administrator sees every conversation of the account. An agent with `sees: inbox` sees those of
their inboxes, an agent with `sees: assigned` those assigned to them. No agent sees another account.
A customer sees the public messages of their own conversations; a visitor of an inbox's website, of
those in that inbox.
"""

import re
from collections.abc import Collection
from typing import Any
from typing import NamedTuple
from typing import TypeVar

from sqlalchemy import ColumnElement
from sqlalchemy import Integer
from sqlalchemy import Select
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import exists
from sqlalchemy import func
from sqlalchemy import literal
from sqlalchemy import or_
from sqlalchemy import select

from rtapp import clock
from rtapp import grants
from rtapp.errors import Forbidden
from rtapp.errors import NotFound
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Agent
from rtapp.models import AnyConversation
from rtapp.models import Attachment
from rtapp.models import CannedReply
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import ConversationMerge
from rtapp.models import Customer
from rtapp.models import CustomerIdentity
from rtapp.models import Draft
from rtapp.models import Identity
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Invitation
from rtapp.models import Label
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import PasswordLink
from rtapp.models import Principal
from rtapp.models import Token
from rtapp.models import User
from rtapp.models import UserSession
from rtapp.models import Website

T = TypeVar("T")
InAccount = TypeVar("InAccount", Label, CannedReply, Inbox, Invitation)


def sees(member: Any, inbox_id: Any, assignee_id: Any) -> ColumnElement[bool]:
    """The condition under which a member sees a conversation with this inbox and assignee.

    `member` has the columns of Membership. The caller compares the account.
    """
    own_inboxes = select(InboxMember.inbox_id).where(InboxMember.user_id == member.user_id)
    return or_(
        member.role == "administrator",
        and_(member.sees == "inbox", inbox_id.in_(own_inboxes)),
        and_(member.sees == "assigned", assignee_id == member.user_id),
    )


class ConversationRef(NamedTuple):
    """The columns of a conversation that decide its audience."""

    id: int
    account_id: int
    inbox_id: int
    assignee_id: int | None


INVITE = "invite members"
RESET = "make links for new passwords"
KEY = re.compile(r"[A-Za-z0-9_-]{1,32}")  # of a website or an attachment
INBOXES_APART = 20  # with more, the account's own index serves an agent's list well enough

# Statements are built once: building one costs more than running it. `:viewer` is the user's id.
VIEWER = bindparam("viewer", type_=Integer)
# Nobody sees a merged conversation: what asks for it finds the one that has its messages.
UNMERGED = Conversation.merged_into_id.is_(None)
# The condition on `Conversation` that selects those which the viewer sees, or would if not merged.
SEEN_UNMERGED = (
    exists()
    .where(
        Membership.account_id == Conversation.account_id,
        Membership.user_id == VIEWER,
        sees(Membership, Conversation.inbox_id, Conversation.assignee_id),
    )
    .correlate(Conversation)
)
# The condition on `Conversation` that selects the conversations the viewer sees.
SEEN = and_(UNMERGED, SEEN_UNMERGED)
CONVERSATION = select(Conversation).where(Conversation.id == bindparam("id"), SEEN)
REF_COLUMNS = (
    Conversation.id,
    Conversation.account_id,
    Conversation.inbox_id,
    Conversation.assignee_id,
)
CONVERSATION_REF = CONVERSATION.with_only_columns(*REF_COLUMNS)
ONE_OF = Conversation.id.in_(bindparam("ids", expanding=True))
CONVERSATION_REFS = select(*REF_COLUMNS).where(ONE_OF, SEEN)
# A customer whose contact was merged sees the conversations of the one that has theirs.
OWN_CONTACT = (
    select(func.coalesce(Contact.merged_into_id, Contact.id))
    .where(Contact.id == VIEWER)
    .scalar_subquery()
)
VISITED = bindparam("inbox", type_=Integer)  # the inbox of a visitor's token, None for all
# The condition on `Conversation` that selects a customer's own.
OWN = and_(
    Conversation.contact_id == OWN_CONTACT,
    UNMERGED,
    or_(VISITED.is_(None), Conversation.inbox_id == VISITED),
)
CUSTOMER_CONVERSATION = select(Conversation).where(Conversation.id == bindparam("id"), OWN)
CUSTOMER_CONVERSATION_REF = CUSTOMER_CONVERSATION.with_only_columns(*REF_COLUMNS)
CUSTOMER_CONVERSATION_REFS = select(*REF_COLUMNS).where(ONE_OF, OWN)
THREADS_VISITED = 10  # in which a visitor is present, the newest ones
NEWEST_THREADS = (
    select(Conversation.id)
    .where(OWN)
    .order_by(Conversation.last_public_at.desc(), Conversation.id.desc())
    .limit(THREADS_VISITED)
)
BLOCKED = (
    select(Contact.blocked)
    .join(Conversation, Conversation.contact_id == Contact.id)
    .where(Conversation.id == bindparam("id"))
)
# The condition on `Message` that selects the messages a customer sees in their conversation.
PUBLIC = and_(Message.private.is_(False), Message.message_type != "activity")
KEPT = select(Conversation.merged_into_id).where(Conversation.id == bindparam("id"))
ATTACHMENT = select(Attachment).where(
    Attachment.key == bindparam("key"), Attachment.stored.is_(True)
)
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
DRAFT = (
    select(Draft)
    .where(Draft.user_id == VIEWER, Draft.conversation_id == bindparam("id"))
    .execution_options(populate_existing=True)
)
MEMBERSHIP = select(Membership).where(
    Membership.account_id == bindparam("account"), Membership.user_id == VIEWER
)
CONTACT = select(Contact).where(
    Contact.id == bindparam("id"),
    or_(
        exists().where(
            Membership.account_id == Contact.account_id,
            Membership.user_id == VIEWER,
            Membership.role == "administrator",
        ),
        exists().where(Conversation.contact_id == Contact.id, SEEN),
    ),
)
# The users to whom the viewer may give a link for a new password: members of accounts all of which
# the viewer administers. With a member's password one could enter their other accounts.
ADMINISTERED = select(Membership.account_id).where(
    Membership.user_id == VIEWER, Membership.role == "administrator"
)
RESETTABLE = select(User).where(
    User.id != VIEWER,
    User.disabled_at.is_(None),
    User.id.in_(select(Membership.user_id)),
    User.id.not_in(select(Membership.user_id).where(Membership.account_id.not_in(ADMINISTERED))),
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


def member_of(account_id: int, user_id: int) -> Membership:
    """A user's membership of the account. Raises NotFound if there is none."""
    return found(db.session.scalar(MEMBERSHIP, {"account": account_id, "viewer": user_id}))


def conversation_for(principal: Principal, conversation_id: int) -> Conversation:
    """The conversation; of a merged one, that which has its messages. Raises NotFound if it does
    not exist or the principal does not see it."""
    statement = CUSTOMER_CONVERSATION if isinstance(principal, Customer) else CONVERSATION
    row = db.session.scalar(statement, {"id": conversation_id, **viewer(principal)})
    if row is None:
        asked = {"id": kept_for(conversation_id), **viewer(principal)}
        row = db.session.scalar(statement, asked)
    return found(row)


def conversation_ref(principal: Principal, conversation_id: int) -> ConversationRef:
    """The ref of a conversation, found as by `conversation_for`."""
    statement = CUSTOMER_CONVERSATION_REF if isinstance(principal, Customer) else CONVERSATION_REF
    row = execute(statement, {"id": conversation_id, **viewer(principal)}).one_or_none()
    if row is None:
        asked = {"id": kept_for(conversation_id), **viewer(principal)}
        row = execute(statement, asked).one_or_none()
    return ConversationRef(*found(row))


def conversation_refs(principal: Principal, ids: Collection[int]) -> list[ConversationRef]:
    """The refs of those of these conversations that the principal sees, in one query. It finds no
    merged ones: `conversation_ref` does, one by one."""
    several = CUSTOMER_CONVERSATION_REFS if isinstance(principal, Customer) else CONVERSATION_REFS
    return [ConversationRef(*row) for row in execute(several, {"ids": ids, **viewer(principal)})]


def granted_ref(principal: Principal, conversation_id: int) -> ConversationRef:
    """As `conversation_ref`, without a query while the principal has an open stream and their
    rights do not change."""
    subscriber = grants.subscriber_id(principal)
    visited = principal.inbox_id if isinstance(principal, CustomerIdentity) else None
    ref = grants.granted(
        subscriber,
        ("conversation", subscriber, visited, conversation_id),
        lambda: conversation_ref(principal, conversation_id),
        lambda found: {conversation_id, found.id},
    )
    return found(ref)


def viewer(principal: Principal) -> dict[str, int | None]:
    """The principal's parameters of a statement: for a customer, VISITED too."""
    if isinstance(principal, CustomerIdentity):
        return {"viewer": principal.id, "inbox": principal.inbox_id}
    if isinstance(principal, Contact):
        return {"viewer": principal.id, "inbox": None}
    return {"viewer": principal.id}


def website_with(key: str) -> Website:
    """The website with this key. Raises NotFound if there is none."""
    if not KEY.fullmatch(key):
        raise NotFound
    return found(db.session.scalar(select(Website).where(Website.key == key)))


def visitor_of(principal: Principal, website: Website) -> CustomerIdentity:
    """The principal, if they are a visitor of the website. Raises Forbidden for any other."""
    if isinstance(principal, CustomerIdentity) and principal.inbox_id == website.inbox_id:
        return principal
    raise Forbidden(
        "This is for visitors of this website, and the token is not one of theirs; start a session."
    )


def own_contact(visitor: Customer) -> Contact:
    """The contact that has the customer's conversations: of a merged one, that which has them.
    Raises NotFound if it has just been deleted, as that of a visitor who never wrote."""
    contact = found(db.session.get(Contact, visitor.id))
    kept = contact.merged_into_id
    return contact if kept is None else db.session.get_one(Contact, kept)


def newest_threads(visitor: CustomerIdentity) -> list[int]:
    """The ids of the visitor's newest conversations, ascending."""
    return sorted(execute(NEWEST_THREADS, viewer(visitor)).scalars())


def has_proved(visitor: Customer) -> bool:
    """Whether the website has proved who the visitor is."""
    proofs = exists().where(Identity.contact_id == visitor.id)
    return bool(db.session.scalar(select(proofs)))


def kept_for(conversation_id: int) -> int:
    """The id of the conversation that a merged one leads to; 0, which none has, of any other."""
    return execute(KEPT, {"id": conversation_id}).scalar() or 0


def refuse_blocked_visitor(principal: Principal) -> None:
    """Raises Forbidden for a customer whose contact was blocked as the request began. Of a merged
    contact, the one that has its conversations decides."""
    if isinstance(principal, CustomerIdentity) and principal.blocked:
        raise blocked()


def refuse_blocked(principal: Principal, conversation_id: int) -> None:
    """Likewise, for a customer whose contact is blocked by now. Under the conversation's lock,
    which blocking waits for, it stays so."""
    if isinstance(principal, Customer) and execute(BLOCKED, {"id": conversation_id}).scalar():
        raise blocked()


def blocked() -> Forbidden:
    return Forbidden("This conversation is not open to you any more: support has blocked you.")


def message_for(user: Agent, message_id: int) -> Message:
    """The message. Raises NotFound if there is none or the user does not see its conversation."""
    return found(db.session.scalar(MESSAGE, {"id": message_id, "viewer": user.id}))


def attachment_for(principal: Principal, key: str) -> Attachment:
    """The file with this key: of a message that the principal sees, or their own that is not sent.
    Raises NotFound for any other, as for a key that there is not."""
    row = found(db.session.scalar(ATTACHMENT, {"key": key}) if KEY.fullmatch(key) else None)
    if row.message_id is None:
        sender = row.contact_id if isinstance(principal, Customer) else row.user_id
        holds = row.expires_at is not None and row.expires_at > clock.now()
        return found(row if holds and sender == principal.id else None)
    message = db.session.get_one(Message, row.message_id)
    if isinstance(principal, Customer):
        found(None if message.private or message.message_type == "activity" else message)
    conversation_ref(principal, message.conversation_id)
    return row


def may_edit(user: Agent, message: Message) -> bool:
    """Whether the user may edit a message that they see: their own, or as an administrator of the
    account any agent's. Nobody rewrites a customer's words, or activity."""
    return message.message_type == "outgoing" and may_delete(user, message)


def may_delete(user: Agent, message: Message) -> bool:
    """Whether the user may delete a message that they see: their own, or any as an administrator of
    the account. Activity can't be deleted."""
    if message.message_type == "activity":
        return False
    return message.user_id == user.id or is_administrator(user, message.account_id)


def may_read_revisions(user: Agent, message: Message) -> bool:
    """Whether the user may read the earlier texts of a message that they see."""
    return is_administrator(user, message.account_id)


def is_administrator(user: Agent, account_id: int) -> bool:
    """Raises NotFound if the user is no member of the account."""
    return membership_in(user, account_id).role == "administrator"


def notification_for(user: Agent, notification_id: int) -> Notification:
    """The user's own notification. Raises NotFound if there is none or the user no longer sees its
    conversation."""
    return found(db.session.scalar(NOTIFICATION, {"id": notification_id, "viewer": user.id}))


def own_draft(user: Agent, conversation_id: int) -> Draft | None:
    """The user's own draft, as it is now, in a conversation that they see. No other user reads it,
    administrators included."""
    draft: Draft | None = db.session.scalar(DRAFT, {"id": conversation_id, "viewer": user.id})
    return draft


def token_for(user: Agent, token_id: int) -> Token:
    """The user's own token. Raises NotFound for any other."""
    token = found(db.session.get(Token, token_id))
    return found(token if token.user_id == user.id else None)


def session_for(user: Agent, handle: str) -> UserSession:
    """The user's own session with this handle. Raises NotFound for any other."""
    own = db.session.scalars(select(UserSession).where(UserSession.user_id == user.id))
    return found(next((row for row in own if row.handle == handle), None))


def label_for(user: Agent, label_id: int) -> Label:
    """A label of one of the user's accounts. Raises NotFound for any other."""
    return in_account(user, db.session.get(Label, label_id))


def canned_reply_for(user: Agent, reply_id: int) -> CannedReply:
    """A canned reply of one of the user's accounts. Raises NotFound for any other."""
    return in_account(user, db.session.get(CannedReply, reply_id))


def contact_for(user: Agent, contact_id: int) -> Contact:
    """The contact; of a merged one, the contact that has its conversations now. Raises NotFound
    unless the user sees one of these, or is an administrator of the account."""
    contact = found(db.session.get(Contact, contact_id))
    id = contact.merged_into_id or contact.id
    return found(db.session.scalar(CONTACT, {"id": id, "viewer": user.id}))


def contact_merge_for(user: Agent, merge_id: int) -> ContactMerge:
    """A merge of a contact that the user sees now. Raises NotFound for any other."""
    merge = found(db.session.get(ContactMerge, merge_id))
    contact_for(user, merge.source_id)
    return merge


def conversation_merge_for(user: Agent, merge_id: int) -> ConversationMerge:
    """A merge of conversations that the user sees now. Raises NotFound for any other."""
    merge = found(db.session.get(ConversationMerge, merge_id))
    conversation_for(user, merge.source_id)
    return merge


def any_inbox_for(user: Agent, inbox_id: int) -> Inbox:
    """An inbox of one of the user's accounts, theirs or not. Raises NotFound for any other."""
    return in_account(user, db.session.get(Inbox, inbox_id))


def refuse_agent(membership: Membership, what: str) -> None:
    """Raises Forbidden unless the member is an administrator, who alone may do `what`."""
    if membership.role != "administrator":
        raise Forbidden(f"Only an administrator of the account may {what}.")


def invitation_for(user: Agent, invitation_id: int) -> Invitation:
    """An invitation into an account that the user administers. Raises NotFound for any other."""
    invitation = in_account(user, db.session.get(Invitation, invitation_id))
    refuse_agent(membership_in(user, invitation.account_id), INVITE)
    return invitation


def password_link_for(user: Agent, link_id: int) -> PasswordLink:
    """A password link of a user to whom this one may give one. Raises NotFound for any other."""
    link = found(db.session.get(PasswordLink, link_id))
    found(db.session.scalar(RESETTABLE.where(User.id == link.user_id), {"viewer": user.id}))
    return link


def resettable_members(user: Agent, account_id: int) -> list[User]:
    """The account's members to whom the user may give a password link, by id."""
    members = select(Membership.user_id).where(Membership.account_id == account_id)
    query = RESETTABLE.where(User.id.in_(members)).order_by(User.id)
    return list(db.session.scalars(query, {"viewer": user.id}))


def refuse_password_link(user: Agent, other: User) -> None:
    """Raises Forbidden if the user may give another member of an account that they administer no
    password link."""
    if other.id == user.id:
        raise Forbidden("Change your own password in your settings: that needs the present one.")
    if db.session.scalar(RESETTABLE.where(User.id == other.id), {"viewer": user.id}) is None:
        raise Forbidden(
            f"{other.name} is also a member of an account that you do not administer: with a new "
            "password you could enter it. They can ask for a link themselves."
        )


def has_lapsed(link: Invitation | PasswordLink) -> bool:
    """Whether the administrator who made the link could not make it now. One of a command, or that
    its user asked for, does not lapse."""
    maker_id = link.created_by_id
    if maker_id is None:
        return False
    maker = exists().where(User.id == maker_id, User.disabled_at.is_(None)).correlate(None)
    if isinstance(link, Invitation):
        made = MEMBERSHIP.where(Membership.role == "administrator", maker)
        return db.session.scalar(made, {"account": link.account_id, "viewer": maker_id}) is None
    given = RESETTABLE.where(User.id == link.user_id, maker)
    return db.session.scalar(given, {"viewer": maker_id}) is None


def refuse_second_factor(user: Agent, other: User) -> None:
    """Raises Forbidden if the user may not turn off the second factor of another member of an
    account that they administer: if they may give them no password link either."""
    if other.id == user.id:
        raise Forbidden("Turn off your own two-step sign-in in your settings: that needs a code.")
    if db.session.scalar(RESETTABLE.where(User.id == other.id), {"viewer": user.id}) is None:
        raise Forbidden(
            f"{other.name} is disabled, or also a member of an account that you do not administer: "
            "an administrator of all their accounts may do this."
        )


def inbox_for(user: Agent, account_id: int, inbox_id: int) -> Inbox:
    """An inbox in which the user may start conversations: for an administrator each of the
    account, for an agent their own. Raises NotFound for any other."""
    inbox = db.session.get(Inbox, inbox_id)
    if inbox is None or inbox.account_id != account_id:
        raise NotFound
    if membership_in(user, account_id).role != "administrator":
        found(db.session.get(InboxMember, (inbox_id, user.id)))
    return inbox


def users_who_see(conversation: AnyConversation) -> list[User]:
    """The users who see the conversation, by id, without disabled ones."""
    inbox_id, assignee_id = (
        literal(conversation.inbox_id, Integer),
        literal(conversation.assignee_id, Integer),
    )
    members = select(Membership.user_id).where(
        Membership.account_id == conversation.account_id, sees(Membership, inbox_id, assignee_id)
    )
    return enabled(members)


def members_of(account_id: int) -> list[User]:
    """The users of the account, by id, without disabled ones."""
    return enabled(select(Membership.user_id).where(Membership.account_id == account_id))


def enabled(ids: Select[int]) -> list[User]:
    users = select(User).where(User.id.in_(ids), User.disabled_at.is_(None)).order_by(User.id)
    return list(db.session.scalars(users))


def eligible_assignee(user_id: int, conversation: Conversation) -> User | None:
    """The user, if they would see the conversation once it is assigned to them, and are not
    disabled; else None."""
    inbox_id, assignee_id = literal(conversation.inbox_id, Integer), literal(user_id, Integer)
    member = exists().where(
        Membership.account_id == conversation.account_id,
        Membership.user_id == user_id,
        sees(Membership, inbox_id, assignee_id),
    )
    user: User | None = db.session.scalar(
        select(User).where(User.id == user_id, User.disabled_at.is_(None), member)
    )
    return user


def sees_conversation(user_id: int, conversation_id: int) -> bool:
    """Whether the user sees the conversation now."""
    row = execute(CONVERSATION_REF, {"id": conversation_id, "viewer": user_id}).first()
    return row is not None


def seen_by(membership: Membership, inbox: int | None = None) -> list[ColumnElement[bool]]:
    """Disjoint conditions on `Conversation` whose union is what the member sees (of one inbox).

    SEEN selects the same conversations, but the database tests it row by row. Each of these
    conditions is the prefix of an index that has a list's order.
    """
    account = and_(Conversation.account_id == membership.account_id, UNMERGED)
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
    """The ids of the user's inboxes in the account, ascending."""
    return list(execute(INBOXES, {"account": account_id, "viewer": user.id}).scalars())


def websites_of(user: Agent, account_id: int) -> list[int]:
    """The ids of those of the user's inboxes in the account that have a website, ascending."""
    query = INBOXES.where(InboxMember.inbox_id.in_(select(Website.inbox_id)))
    return list(execute(query, {"account": account_id, "viewer": user.id}).scalars())


def in_account(user: Agent, row: InAccount | None) -> InAccount:
    """The row. Raises NotFound for none, or one of another account than the user's."""
    row = found(row)
    membership_in(user, row.account_id)
    return row


def found(row: T | None) -> T:
    if row is None:
        raise NotFound
    return row
