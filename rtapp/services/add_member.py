from collections.abc import Collection

from sqlalchemy import select

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import User
from rtapp.models import lock_user

from .account_rows import reset_members
from .end_access import end_access_without_second_factor
from .revoke_links import revoke_links_for


def add_member(
    account_id: int, user: User, *, role: str, sees: str, inbox_ids: Collection[int]
) -> Membership:
    """Make the user a member of the account, and of those inboxes of it that there are.

    The pages of all members are fetched again: they list their colleagues. Password links that
    administrators of other accounts have made for the user end. Where the account requires a second
    factor and the user has none, their sessions and tokens end. Part of the caller's transaction.
    Raises IntegrityError for a member.
    """
    membership = Membership(account_id=account_id, user_id=user.id, role=role, sees=sees)
    db.session.add(membership)
    own = select(Inbox.id).where(Inbox.account_id == account_id, Inbox.id.in_(inbox_ids))
    db.session.add_all(
        InboxMember(inbox_id=id, user_id=user.id) for id in db.session.scalars(own).all()
    )
    db.session.flush()
    lock_user(user.id)  # before their links, as a new password does
    revoke_links_for(user.id)
    reset_members(account_id)
    end_access_without_second_factor(account_id=account_id, user_id=user.id)
    control.recheck(user.id)
    return membership
