from collections.abc import Collection

from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox

from .auto_assign import assign_next
from .auto_assign import next_member
from .auto_assign import present_in
from .row_lock import lock
from .row_lock import unlock

BATCH = 100  # conversations of an inbox in one call, each assigned in its own transaction
INBOXES = (
    select(Inbox)
    .where(
        Inbox.id.in_(
            select(Conversation.inbox_id).where(Conversation.awaits_assignee_since.is_not(None))
        ),
        Inbox.auto_assign.is_(True),
    )
    .order_by(Inbox.id)
)


def assign_waiting() -> int:
    """Assign conversations that wait for a member to be online, or below the inbox's cap: those
    that wait longest first. Returns the number assigned.

    Several processes may run it at once: each checks again under the locks.
    """
    inboxes = list(db.session.scalars(INBOXES))
    present = {id: present_in(id) for id in {inbox.account_id for inbox in inboxes}}
    return sum(assign_in(inbox.id, present[inbox.account_id]) for inbox in inboxes)


def assign_in(inbox_id: int, present: Collection[int]) -> int:
    """The same for one inbox. Nothing is locked while no member is free."""
    waiting = (
        select(Conversation)
        .where(Conversation.inbox_id == inbox_id, Conversation.awaits_assignee_since.is_not(None))
        .order_by(Conversation.awaits_assignee_since, Conversation.id)
        .limit(BATCH)
    )
    assigned = 0
    for conversation in db.session.scalars(waiting).all():
        if next_member(inbox_id, present) is None:
            break
        lock(conversation)
        if assign_next(conversation, present):
            db.session.commit()
            assigned += 1
        else:
            unlock()
    return assigned
