from sqlalchemy import delete
from sqlalchemy import select

from rtapp import access
from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import User

TOLD = 500  # conversations lost that are told of one by one; beyond, clients fetch anew


def add_to_inbox(inbox: Inbox, user: User) -> None:
    """Makes the user a member of the inbox; if they are one already, nothing happens."""
    if db.session.get(InboxMember, (inbox.id, user.id)) is None:
        db.session.add(InboxMember(inbox_id=inbox.id, user_id=user.id))
        announce.state_lost(user.id, inbox.account_id)  # what they see now, no event has told
        control.recheck(user.id)
        db.session.commit()


def remove_from_inbox(inbox: Inbox, user: User) -> None:
    """Ends the user's membership of the inbox, and with it what they see and hear of it."""
    seen = seen_in(inbox, user)
    db.session.execute(
        delete(InboxMember).where(InboxMember.inbox_id == inbox.id, InboxMember.user_id == user.id)
    )
    lost = set(seen) - set(seen_in(inbox, user))
    for conversation_id in sorted(lost)[-TOLD:]:
        announce.conversation_removed(conversation_id, inbox.account_id, user.id)
    if len(lost) > TOLD:
        announce.state_lost(user.id, inbox.account_id)
    control.recheck(user.id)
    db.session.commit()


def seen_in(inbox: Inbox, user: User) -> list[int]:
    """The newest of the inbox's conversations that the user sees: one more than are told of."""
    seen = (
        select(Conversation.id)
        .where(Conversation.inbox_id == inbox.id, access.SEEN)
        .order_by(Conversation.id.desc())
        .limit(TOLD + 1)
    )
    return list(db.session.scalars(seen, {"viewer": user.id}))
