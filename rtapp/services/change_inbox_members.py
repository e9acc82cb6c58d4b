from sqlalchemy import delete

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import User


def add_to_inbox(inbox: Inbox, user: User) -> None:
    """Makes the user a member of the inbox; if they are one already, nothing happens."""
    if db.session.get(InboxMember, (inbox.id, user.id)) is None:
        db.session.add(InboxMember(inbox_id=inbox.id, user_id=user.id))
        control.recheck(user.id)
        db.session.commit()


def remove_from_inbox(inbox: Inbox, user: User) -> None:
    """Ends the user's membership of the inbox, and with it what they hear from it."""
    db.session.execute(
        delete(InboxMember).where(InboxMember.inbox_id == inbox.id, InboxMember.user_id == user.id)
    )
    control.recheck(user.id)
    db.session.commit()
