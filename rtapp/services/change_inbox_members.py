from sqlalchemy import delete
from sqlalchemy import select

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import User

from .assign import hold_membership
from .release_conversations import lock_member
from .release_conversations import release_conversations
from .row_lock import unlock

MAX_REMOVED = 500  # conversation.removed events of one change; beyond it, stream.reset


def add_to_inbox(inbox: Inbox, user: User) -> None:
    """Add the user to the inbox. Does nothing if they are in it already. Raises Unprocessable if
    they are no member of its account."""
    hold_membership(user.id, inbox.account_id)
    if user not in access.members_of(inbox.account_id):
        unlock()
        raise Unprocessable(
            f"{user.name} is no member of the inbox's account. Invite them first.",
            errors={"user_id": ["must be of a member of the account"]},
        )
    if db.session.get(InboxMember, (inbox.id, user.id)) is None:
        db.session.add(InboxMember(inbox_id=inbox.id, user_id=user.id))
        announce.state_lost(user.id, inbox.account_id)  # no event announces what they see now
        announce.settings_changed(inbox.account_id, "members")
        control.recheck(user.id)
        db.session.commit()


def remove_from_inbox(inbox: Inbox, user: User, *, by: User | None = None) -> None:
    """Remove the user from the inbox, from their lists what they no longer see, and their streams
    of it. What of it was assigned to them is unassigned."""
    lock_member(user.id, inbox.account_id)
    seen = seen_in(inbox, user)
    db.session.execute(
        delete(InboxMember).where(InboxMember.inbox_id == inbox.id, InboxMember.user_id == user.id)
    )
    lost = set(seen) - set(seen_in(inbox, user))
    released = release_conversations(user, inbox.account_id, by)
    for conversation_id in sorted(lost - released)[-MAX_REMOVED:]:
        announce.conversation_removed(conversation_id, inbox.account_id, user.id)
    if len(lost) > MAX_REMOVED:
        announce.state_lost(user.id, inbox.account_id)
    announce.settings_changed(inbox.account_id, "members")
    control.recheck(user.id)
    db.session.commit()


def seen_in(inbox: Inbox, user: User) -> list[int]:
    """The newest of the inbox's conversations that the user sees, at most MAX_REMOVED + 1."""
    seen = (
        select(Conversation.id)
        .where(Conversation.inbox_id == inbox.id, access.SEEN)
        .order_by(Conversation.id.desc())
        .limit(MAX_REMOVED + 1)
    )
    return list(db.session.scalars(seen, {"viewer": user.id}))
