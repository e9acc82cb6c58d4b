from datetime import datetime

from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.models import User

from .change_password_links import revoke_password_links
from .end_access import end_access
from .last_administrator import refuse_last_administrator
from .release_conversations import lock_member
from .release_conversations import release_conversations
from .revoke_links import revoke_links_by
from .row_lock import unlock


def disable_user(user: User, *, by: User | None = None) -> bool:
    """Have the user sign in nowhere any more: their sessions, tokens, streams and password links
    end, and so do links that they have made; their conversations are unassigned. What they have
    written stays, and so do their memberships, with which `enable_user` has them go on.

    Returns whether it changed anything. Raises Unprocessable if they are the last administrator of
    an account who can sign in.
    """
    accounts = lock_memberships(user.id)
    db.session.refresh(user)
    if user.disabled_at is not None:
        unlock()
        return False
    for membership in accounts:
        if membership.role == "administrator":
            refuse_last_administrator(membership.account_id, user.id, field="user")
    set_disabled(user, clock.now())
    revoke_password_links(user.id)
    end_access(user.id)
    for membership in accounts:
        release_conversations(user, membership.account_id, by, disabled=True)
        revoke_links_by(user.id, membership.account_id)
    db.session.commit()
    return True


def enable_user(user: User) -> bool:
    """Have a disabled user sign in again, with their password. Returns whether it changed
    anything."""
    if user.disabled_at is None:
        return False
    set_disabled(user, None)
    db.session.commit()
    return True


def lock_memberships(user_id: int) -> list[Membership]:
    """Lock the user's accounts and memberships until the transaction ends, in the order of the
    accounts. Returns the memberships."""
    ids = select(Membership.account_id).where(Membership.user_id == user_id)
    accounts = db.session.scalars(ids.order_by(Membership.account_id)).all()
    locked = (lock_member(user_id, account_id) for account_id in accounts)
    return [membership for membership in locked if membership is not None]


def set_disabled(user: User, moment: datetime | None) -> None:
    db.session.execute(
        update(User)
        .where(User.id == user.id)
        .values(disabled_at=moment)
        .execution_options(synchronize_session=False)
    )
    db.session.refresh(user)
    own = select(Membership.account_id).where(Membership.user_id == user.id)
    for account_id in db.session.scalars(own.order_by(Membership.account_id)).all():
        announce.settings_changed(account_id, "members")
