"""An account always has an administrator: without one, nobody could change it any more."""

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Membership
from rtapp.models import User

from .row_lock import unlock

LAST = "This is the account's last administrator. Make another member one first."


def lock_account(account_id: int) -> None:
    """Lock the account's row until the transaction ends: of two changes of its members, one comes
    first. An update without a change, as in row_lock.py. Conversations are locked before it."""
    db.session.execute(
        update(Account)
        .where(Account.id == account_id)
        .values(name=Account.name)
        .execution_options(synchronize_session=False)
    )


def refuse_last_administrator(account_id: int, user_id: int, *, field: str) -> None:
    """Raises Unprocessable, for the `field`, if the account has no other administrator than this
    user who can sign in. Part of the caller's transaction, which has locked the account and changed
    nothing."""
    others = (
        select(func.count())
        .select_from(Membership)
        .join(User, User.id == Membership.user_id)
        .where(
            Membership.account_id == account_id,
            Membership.role == "administrator",
            Membership.user_id != user_id,
            User.disabled_at.is_(None),
        )
    )
    if not db.session.scalar(others):
        unlock()
        raise Unprocessable(LAST, errors={field: ["is that of the last administrator"]})
