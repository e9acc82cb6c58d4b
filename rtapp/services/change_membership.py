from collections.abc import Collection

from sqlalchemy import delete
from sqlalchemy import select

from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User

from .last_administrator import refuse_last_administrator
from .release_conversations import lock_member
from .release_conversations import release_conversations
from .revoke_links import revoke_links_by
from .row_lock import unlock


def change_membership(
    membership: Membership,
    *,
    role: str | None,
    sees: str | None,
    inbox_ids: Collection[int] | None = None,
    by: User | None = None,
) -> None:
    """Set a member's `role` (administrator or agent), what an agent `sees` (inbox or assigned), and
    all their inboxes. None leaves each as it is.

    The user's clients fetch the state again. Their streams of what they no longer see are closed,
    and what of it was assigned to them is unassigned. Links that they have made end with the role
    of an administrator. Raises Unprocessable if it is the account's
    last administrator, or for an inbox of another account, NotFound if they were removed meanwhile.
    """
    user_id, account_id = membership.user_id, membership.account_id
    locked = lock_member(user_id, account_id)
    if locked is None:
        unlock()
        raise NotFound
    role, sees = role or locked.role, sees or locked.sees
    before = inboxes_of(user_id, account_id)
    after = before if inbox_ids is None else set(inbox_ids)
    if (locked.role, locked.sees, before) == (role, sees, after):
        unlock()
        return
    if role != "administrator" and locked.role == "administrator":
        refuse_last_administrator(account_id, user_id, field="role")
    refuse_foreign(after - before, account_id)
    locked.role, locked.sees = role, sees
    db.session.execute(
        delete(InboxMember).where(
            InboxMember.user_id == user_id, InboxMember.inbox_id.in_(before - after)
        )
    )
    db.session.add_all(InboxMember(inbox_id=id, user_id=user_id) for id in sorted(after - before))
    db.session.flush()
    release_conversations(db.session.get_one(User, user_id), account_id, by)
    if role != "administrator":
        revoke_links_by(user_id, account_id)
    announce.state_lost(user_id, account_id)
    announce.settings_changed(account_id, "members")
    control.recheck(user_id)
    db.session.commit()


def inboxes_of(user_id: int, account_id: int) -> set[int]:
    own = select(InboxMember.inbox_id).join(Inbox, Inbox.id == InboxMember.inbox_id)
    return set(
        db.session.scalars(
            own.where(InboxMember.user_id == user_id, Inbox.account_id == account_id)
        )
    )


def refuse_foreign(inbox_ids: Collection[int], account_id: int) -> None:
    own = select(Inbox.id).where(Inbox.account_id == account_id, Inbox.id.in_(inbox_ids))
    if not set(inbox_ids) <= set(db.session.scalars(own)):
        unlock()
        raise Unprocessable(
            "One of the inboxes is not of this account. Load the page again.",
            errors={"inbox_ids": ["has one that is not of this account"]},
        )
