from sqlalchemy import select

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import Principal
from rtapp.models import User
from rtapp.text import isolated

from .notify import notify
from .row_lock import lock_unmerged
from .row_lock import refuse_unaware
from .row_lock import touch
from .row_lock import unlock
from .write_activity import write_activity


def assign(
    user: User, conversation: Conversation, assignee_id: int | None, *, version: int | None = None
) -> None:
    """Assign the conversation to a user or, with None, to nobody. No event if it is so already.

    A previous assignee who no longer sees the conversation gets `conversation.removed`, and their
    streams of it are closed. Raises Unprocessable if the new assignee would not see it, Conflict if
    the assignee has changed since `version`.
    """
    lock_unmerged(conversation)
    if conversation.assignee_id == assignee_id:
        unlock()
        return
    refuse_unaware(
        conversation, version, conversation.assignee_version, assignee_words(conversation)
    )
    assignee = required_assignee(assignee_id, conversation) if assignee_id is not None else None
    activity = set_assignee(conversation, assignee, user, activity_text(user, assignee))
    if assignee is not None and assignee.id != user.id:
        notify(assignee.id, "assignment", conversation, activity)
    db.session.commit()


def set_assignee(
    conversation: Conversation, assignee: User | None, by: Principal, content: str
) -> Message:
    """Set the assignee, with `content` as the line of activity, which is returned. Part of the
    caller's transaction, which holds the lock. It announces conversation.updated."""
    previous = conversation.assignee
    regained = assignee is not None and regains_notifications(assignee, conversation)
    conversation.assignee = assignee
    conversation.awaits_assignee_since = None
    touch(conversation)
    conversation.assignee_version = conversation.version
    db.session.flush()  # the access rules below are queries
    announce.assignee_changed(conversation, previous, by)
    activity = write_activity(conversation, by, content)
    announce.conversation_updated(conversation)
    control.recheck_thread(conversation.id)
    if previous is not None and not access.sees_conversation(previous.id, conversation.id):
        announce.conversation_removed(conversation.id, conversation.account_id, previous.id)
        control.recheck(previous.id)
    if assignee is not None and regained:
        announce.state_lost(assignee.id, conversation.account_id)
    return activity


def assignee_words(conversation: Conversation) -> str:
    assignee = conversation.assignee
    done = f"assigned to {isolated(assignee.name)}" if assignee is not None else "unassigned"
    return f"This was {done} meanwhile. Look at it and decide again."


def required_assignee(user_id: int, conversation: Conversation) -> User:
    hold_membership(user_id, conversation.account_id)
    user = access.eligible_assignee(user_id, conversation)
    if user is None:
        raise Unprocessable(
            "The conversation can't be assigned to someone who does not see it.",
            errors={"assignee_id": ["is nobody who would see this conversation"]},
        )
    return user


def hold_membership(user_id: int, account_id: int) -> None:
    """Have the user's access stay as it is until the transaction ends: see
    release_conversations.py. Of SQLite, the conversation's lock does that."""
    own = (Membership.account_id == account_id, Membership.user_id == user_id)
    db.session.execute(select(Membership.id).where(*own).with_for_update(read=True))


def regains_notifications(user: User, conversation: Conversation) -> bool:
    """Whether the assignment makes earlier notifications of the user visible again, which no event
    announces: the user does not see the conversation yet but did before."""
    if access.sees_conversation(user.id, conversation.id):
        return False
    earlier = select(Notification.id).where(
        Notification.user_id == user.id, Notification.conversation_id == conversation.id
    )
    return db.session.scalar(earlier.limit(1)) is not None


def activity_text(user: User, assignee: User | None) -> str:
    if assignee is None:
        return f"{isolated(user.name)} unassigned this"
    if assignee.id == user.id:
        return f"{isolated(user.name)} took this"
    return f"{isolated(user.name)} assigned this to {isolated(assignee.name)}"
