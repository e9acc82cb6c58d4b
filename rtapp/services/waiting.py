"""Since when a customer waits for an answer, `waiting_since`: its values, and when it has which.

It is the time of the first customer's message after the last public reply, and None if there is
none. A resolved conversation and spam do not wait. The customer's message that opens a resolved one
begins a new wait; an agent who opens either again restores the one that the status ended. Private
notes, edits, deletions, snoozing and assignment change nothing. All of it happens under the
conversation's lock.

Chatwoot's rule (https://github.com/chatwoot/chatwoot/pull/7364), but for the restored wait.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import case
from sqlalchemy import func
from sqlalchemy import select

from rtapp import access
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models.conversation import SPAM
from rtapp.models.types import UtcDateTime

NOW = bindparam("now", type_=UtcDateTime)

# The columns of an UPDATE for a message, by its kind.
NOTED: dict[str, Any] = {}
REPLIED: dict[str, Any] = {"last_public_at": NOW, "waiting_since": None}
ASKED: dict[str, Any] = {
    "last_public_at": NOW,
    "waiting_since": case(
        (Conversation.status != SPAM, func.coalesce(Conversation.waiting_since, NOW))
    ),
}


def end_wait(conversation: Conversation) -> None:
    """For a conversation that is resolved, or spam."""
    conversation.waiting_since = None


def restore_wait(conversation: Conversation) -> None:
    """For a resolved conversation, or spam, that an agent opens: the message may still be
    unanswered."""
    conversation.waiting_since = unanswered_since(conversation)


def unanswered_since(conversation: Conversation) -> datetime | None:
    """The time of the first customer's message after the last public reply."""
    here = Message.conversation_id == conversation.id
    reply = (
        select(func.max(Message.id))
        .where(here, access.PUBLIC, Message.message_type == "outgoing")
        .scalar_subquery()
    )
    first = (
        select(Message.created_at)
        .where(here, Message.message_type == "incoming", Message.id > func.coalesce(reply, 0))
        .order_by(Message.id)
        .limit(1)
    )
    since: datetime | None = db.session.scalar(first)
    return since
