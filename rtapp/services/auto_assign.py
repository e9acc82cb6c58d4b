"""Automatic assignment: an inbox's conversations go to its online members in turn.

A conversation that becomes open without an assignee awaits one (`await_assignee`). The transaction
that opens it assigns it at once if a member is free (`assign_next`), else assign_waiting.py does
later. An explicit assignment meanwhile, to nobody too, stays.

A service that opens a conversation, or makes one for its customer, calls `present_for` or
`present_in` first, then both of these, and announces conversation.updated if none was assigned.

A turn is taken under the lock of the inbox's row, which comes after that of the conversation: two
transactions never choose by the same state. Redis is asked before either.
"""

from collections.abc import Collection

from redis.exceptions import RedisError
from sqlalchemy import Integer
from sqlalchemy import and_
from sqlalchemy import bindparam
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import aliased

from rtapp import access
from rtapp import clock
from rtapp import presence
from rtapp.access import ConversationRef
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User
from rtapp.text import isolated

from .assign import set_assignee
from .notify import notify

NOBODY: Collection[int] = ()

INBOX = bindparam("inbox", type_=Integer)
MEMBER = aliased(InboxMember)  # `access.sees` has a query of its own on that table
HELD = (
    select(func.count())
    .where(
        Conversation.account_id == Inbox.account_id,  # the beginning of an index
        Conversation.assignee_id == User.id,
        Conversation.status == "open",
        Conversation.inbox_id == Inbox.id,
        Conversation.merged_into_id.is_(None),
    )
    .correlate(Inbox, User)
    .scalar_subquery()
)
# The inbox's member who is next: of those present who are online, see the inbox and have fewer open
# conversations in it than its cap, the one whose last turn is longest ago.
NEXT_MEMBER = (
    select(User)
    .join(MEMBER, MEMBER.user_id == User.id)
    .join(Inbox, Inbox.id == MEMBER.inbox_id)
    .join(
        Membership,
        and_(Membership.user_id == User.id, Membership.account_id == Inbox.account_id),
    )
    .where(
        Inbox.id == INBOX,
        User.id.in_(bindparam("present", expanding=True)),
        User.disabled_at.is_(None),
        Membership.status == "online",
        access.sees(Membership, INBOX, Membership.user_id),
        or_(Inbox.assignment_cap.is_(None), Inbox.assignment_cap > HELD),
    )
    .order_by(MEMBER.last_turn, User.id)
    .limit(1)
)


def present_for(conversation: ConversationRef | Conversation) -> Collection[int]:
    """The ids of the users present, if the conversation may need them; else NOBODY. Call it before
    the conversation is locked."""
    if conversation.assignee_id is not None:
        return NOBODY
    inbox = db.session.get_one(Inbox, conversation.inbox_id)
    return present_in(conversation.account_id) if inbox.auto_assign else NOBODY


def present_in(account_id: int) -> Collection[int]:
    """The ids of the users present in the account, whichever status they chose; NOBODY while Redis
    is away."""
    try:
        reading = presence.present(account_id)
    except (RedisError, OSError):
        return NOBODY
    (snapshot,) = reading.snapshots
    return [int(user_id) for user_id in snapshot.present]


def await_assignee(conversation: Conversation) -> None:
    """Note whether the conversation is to be assigned automatically: it has just become open
    without an assignee. Part of the caller's transaction, which holds the lock."""
    awaits = conversation.status == "open" and conversation.assignee_id is None
    automatic = awaits and conversation.inbox.auto_assign
    conversation.awaits_assignee_since = clock.now() if automatic else None


def assign_next(conversation: Conversation, present: Collection[int]) -> bool:
    """Assign the conversation, if it awaits that, to the member whose turn it is. Returns whether
    it was assigned, and conversation.updated announced with it.

    Part of the caller's transaction, which holds the lock. No user is its author: the contact is,
    for whom it happens.
    """
    if conversation.awaits_assignee_since is None or not present:
        return False
    turn = take_turn(conversation.inbox_id)
    user = next_member(conversation.inbox_id, present) if turn else None
    if user is None or not note_turn(conversation.inbox_id, user.id, turn):
        return False
    text = f"Assigned to {isolated(user.name)} automatically"
    activity = set_assignee(conversation, user, conversation.contact, text)
    notify(user.id, "assignment", conversation, activity)
    return True


def take_turn(inbox_id: int) -> int | None:
    """Lock the inbox until the transaction ends. Returns the number of the turn; None if the inbox
    does not assign automatically. A turn may pass without an assignment."""
    turn: int | None = execute(
        update(Inbox.__table__)
        .where(Inbox.id == inbox_id, Inbox.auto_assign.is_(True))
        .values(turns=Inbox.turns + 1)
        .returning(Inbox.turns)
    ).scalar()
    return turn


def note_turn(inbox_id: int, user_id: int, turn: int | None) -> bool:
    """Returns whether the user is still a member. They remain one until the transaction ends."""
    own = (InboxMember.inbox_id == inbox_id, InboxMember.user_id == user_id)
    table = InboxMember.__table__
    return execute(update(table).where(*own).values(last_turn=turn)).rowcount == 1


def next_member(inbox_id: int, present: Collection[int]) -> User | None:
    """The member who is next of those `present`, or None."""
    user: User | None = db.session.scalar(
        NEXT_MEMBER, {"inbox": inbox_id, "present": list(present)}
    )
    return user
