from datetime import datetime

from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Principal
from rtapp.models.conversation import ENDED
from rtapp.text import isolated

from . import waiting
from .auto_assign import NOBODY
from .auto_assign import assign_next
from .auto_assign import await_assignee
from .auto_assign import present_for
from .row_lock import lock_unmerged
from .row_lock import refuse_unaware
from .row_lock import touch
from .row_lock import unlock
from .write_activity import write_activity

ACTIVITY = {
    "open": "reopened this",
    "pending": "set this to pending",
    "resolved": "resolved this",
    "spam": "marked this as spam",
}
WRITTEN = "The customer has written meanwhile. Read it and decide again."


def change_status(
    user: Agent,
    conversation: Conversation,
    status: str,
    *,
    snoozed_until: datetime | None = None,
    version: int | None = None,
) -> None:
    """Set the conversation's status. An unchanged value publishes nothing.

    `snoozed_until` (for snoozed only) is the time at which it reopens; without it, it stays snoozed
    until the customer writes. Raises Conflict if the status has changed since `version`, or if the
    customer has written since and would be overlooked: in any status but open.

    A conversation that becomes open may be assigned automatically.
    """
    present = present_for(conversation) if status == "open" else NOBODY
    lock_unmerged(conversation)
    if (conversation.status, conversation.snoozed_until) == (status, snoozed_until):
        unlock()
        return
    refuse_unaware(conversation, version, conversation.status_version, status_words(conversation))
    if status != "open":
        refuse_unaware(conversation, version, conversation.asked_version, WRITTEN)
    activity = activity_text(user, status, snoozed_until)
    set_status(conversation, status, user, activity, snoozed_until)
    if not assign_next(conversation, present):
        announce.conversation_updated(conversation)
    db.session.commit()


def reopen(conversation: Conversation, by: Principal, activity: str) -> None:
    """Open the conversation if it is resolved or snoozed; spam stays spam. Part of the caller's
    transaction, which holds the lock, and assigns it (`assign_next`) or else announces
    conversation.updated."""
    if conversation.status in ("resolved", "snoozed"):
        set_status(conversation, "open", by, activity)


def set_status(
    conversation: Conversation,
    status: str,
    by: Principal,
    activity: str,
    until: datetime | None = None,
) -> None:
    previous = conversation.status
    conversation.status = status
    conversation.snoozed_until = until
    snoozes = status == "snoozed" and isinstance(by, Agent)
    conversation.snoozed_by_id = by.id if snoozes else None
    if status in ENDED:
        waiting.end_wait(conversation)
    elif previous in ENDED and isinstance(by, Agent):
        waiting.restore_wait(conversation)
    await_assignee(conversation)
    touch(conversation)
    conversation.status_version = conversation.version
    announce.status_changed(conversation, previous, by)
    write_activity(conversation, by, activity)


def status_words(conversation: Conversation) -> str:
    return (
        f"The status was changed to {conversation.status} meanwhile. Look at it and decide again."
    )


def activity_text(user: Agent, status: str, until: datetime | None) -> str:
    name = isolated(user.name)
    if status != "snoozed":
        return f"{name} {ACTIVITY[status]}"
    if until is None:
        return f"{name} snoozed this until the customer writes"
    return f"{name} snoozed this until {until:%-d %b %Y, %H:%M} UTC"
