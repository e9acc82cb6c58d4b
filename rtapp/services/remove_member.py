from sqlalchemy import delete
from sqlalchemy import select

from rtapp.errors import NotFound
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User

from .account_rows import reset_members
from .last_administrator import refuse_last_administrator
from .release_conversations import lock_member
from .release_conversations import release_conversations
from .revoke_links import revoke_links_by
from .revoke_links import revoke_links_for
from .row_lock import unlock


def remove_member(membership: Membership, *, by: User | None = None) -> None:
    """Remove the user from the account and its inboxes. What they have written stays.

    Their streams of the account are closed, and their conversations unassigned; links that they
    have made as an administrator, or an administrator for them, end. Raises Unprocessable if it is
    the account's last administrator, NotFound if they were removed meanwhile.
    """
    user_id, account_id = membership.user_id, membership.account_id
    locked = lock_member(user_id, account_id)
    if locked is None:
        unlock()
        raise NotFound
    if locked.role == "administrator":
        refuse_last_administrator(account_id, user_id, field="member")
    inboxes = select(Inbox.id).where(Inbox.account_id == account_id)
    db.session.execute(
        delete(InboxMember).where(InboxMember.user_id == user_id, InboxMember.inbox_id.in_(inboxes))
    )
    db.session.delete(locked)
    db.session.flush()
    release_conversations(db.session.get_one(User, user_id), account_id, by)
    revoke_links_by(user_id, account_id)
    revoke_links_for(user_id)
    reset_members(account_id)  # their pages list their colleagues
    control.recheck(user_id)
    db.session.commit()
