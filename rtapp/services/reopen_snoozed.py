from datetime import datetime

from sqlalchemy import select

from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Conversation

from .change_status import reopen
from .conversation_lock import lock
from .conversation_lock import unlock

BATCH = 100  # conversations opened at once, each in a transaction of its own


def reopen_snoozed(now: datetime) -> int:
    """Opens conversations whose snooze is over at `now`, up to BATCH. Returns how many were due.

    Several processes may do it at once: whoever has the lock looks again.
    """
    due = (
        select(Conversation)
        .where(Conversation.snoozed_until <= now, Conversation.status == "snoozed")
        .order_by(Conversation.snoozed_until)
        .limit(BATCH)
    )
    conversations = list(db.session.scalars(due))
    for conversation in conversations:
        lock(conversation)
        if not is_due(conversation, now):
            unlock()
            continue
        by = conversation.snoozed_by or conversation.contact
        reopen(conversation, by, f"Reopened: {by.name}'s snooze is over")
        announce.conversation_updated(conversation)
        db.session.commit()
    return len(conversations)


def is_due(conversation: Conversation, now: datetime) -> bool:
    until = conversation.snoozed_until
    return conversation.status == "snoozed" and until is not None and until <= now
