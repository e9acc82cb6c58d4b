from datetime import datetime

from sqlalchemy import bindparam
from sqlalchemy import func
from sqlalchemy import select

from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.text import isolated

from .auto_assign import assign_next
from .auto_assign import present_for
from .change_status import reopen
from .row_lock import lock
from .row_lock import unlock

BATCH = 100  # conversations of one call, each opened in its own transaction
DUE = (
    select(Conversation)
    .where(
        Conversation.snoozed_until <= bindparam("now"),
        Conversation.status == "snoozed",
        # Not `IS NULL`, which has SQLite read the index of this column: nearly all conversations.
        func.coalesce(Conversation.merged_into_id, 0) == 0,
    )
    .order_by(Conversation.snoozed_until)
    .limit(BATCH)
)


def reopen_snoozed(now: datetime) -> int:
    """Open conversations whose snooze is over at `now`, up to BATCH. Returns the number found due.

    Several processes may run it at once: each checks again under the row's lock.
    """
    conversations = list(db.session.scalars(DUE, {"now": now}))
    for conversation in conversations:
        present = present_for(conversation)
        lock(conversation)
        if not is_due(conversation, now):
            unlock()
            continue
        by = conversation.snoozed_by or conversation.contact
        reopen(conversation, by, f"Reopened: {isolated(by.name)}'s snooze is over")
        if not assign_next(conversation, present):
            announce.conversation_updated(conversation)
        db.session.commit()
    return len(conversations)


def is_due(conversation: Conversation, now: datetime) -> bool:
    until = conversation.snoozed_until
    is_snoozed = conversation.status == "snoozed" and conversation.merged_into_id is None
    return is_snoozed and until is not None and until <= now
