from sqlalchemy import select

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Notification
from rtapp.models import User

from .conversation_lock import lock
from .conversation_lock import refuse_stale
from .conversation_lock import touch
from .conversation_lock import unlock
from .notify import notify
from .write_activity import write_activity


def assign(
    user: User, conversation: Conversation, assignee_id: int | None, *, version: int | None = None
) -> None:
    """Makes it somebody's, or nobody's, to answer. What is set already is left alone.

    Raises Unprocessable if that user would not see it, Conflict if `version` is not the present
    one. Whoever saw it only because it was theirs loses it, and their streams of it end.
    """
    lock(conversation)
    if conversation.assignee_id == assignee_id:
        unlock()
        return
    refuse_stale(conversation, version, presenters.conversation)
    assignee = assignable(assignee_id, conversation) if assignee_id is not None else None
    previous = conversation.assignee
    regained = assignee is not None and regains(assignee, conversation)
    conversation.assignee = assignee
    touch(conversation)
    db.session.flush()  # who hears of it is asked of the database
    announce.assignee_changed(conversation, previous, user)
    activity = write_activity(conversation, user, said(user, assignee))
    announce.conversation_updated(conversation)
    control.recheck_thread(conversation.id)
    if previous is not None and not access.sees_conversation(previous.id, conversation.id):
        announce.conversation_removed(conversation.id, conversation.account_id, previous.id)
        control.recheck(previous.id)
    if assignee is not None and regained:
        announce.state_lost(assignee.id, conversation.account_id)
    if assignee is not None and assignee.id != user.id:
        notify(assignee.id, "assignment", conversation, activity)
    db.session.commit()


def assignable(user_id: int, conversation: Conversation) -> User:
    user = access.eligible_assignee(user_id, conversation)
    if user is None:
        raise Unprocessable(
            "The conversation can't be assigned to someone who does not see it.",
            errors={"assignee_id": ["is nobody who would see this conversation"]},
        )
    return user


def regains(user: User, conversation: Conversation) -> bool:
    """Whether they do not see it yet and have notifications of it, from when they did: these are
    shown again, and no event tells so."""
    if access.sees_conversation(user.id, conversation.id):
        return False
    earlier = select(Notification.id).where(
        Notification.user_id == user.id, Notification.conversation_id == conversation.id
    )
    return db.session.scalar(earlier.limit(1)) is not None


def said(user: User, assignee: User | None) -> str:
    if assignee is None:
        return f"{user.name} unassigned this"
    if assignee.id == user.id:
        return f"{user.name} took this"
    return f"{user.name} assigned this to {assignee.name}"
