from sqlalchemy import delete
from sqlalchemy import select

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Membership
from rtapp.models import SecondFactor
from rtapp.models import Token
from rtapp.models import UserSession
from rtapp.models import lock_user


def end_access(user_id: int, keep: str | None = None) -> None:
    """End the user's sessions, but for the one with the id `keep`, tokens and open streams. A
    sign-in that has not ended waits, or is waited for. Part of the caller's transaction."""
    end_sessions(user_id, keep)
    db.session.execute(delete(Token).where(Token.user_id == user_id))


def end_sessions(user_id: int, keep: str | None = None) -> None:
    """Likewise, without the tokens."""
    lock_user(user_id)
    ended = (UserSession.user_id == user_id, UserSession.id != (keep or ""))
    db.session.execute(delete(UserSession).where(*ended))
    control.recheck(user_id)


def end_access_without_second_factor(
    *, account_id: int | None = None, user_id: int | None = None
) -> None:
    """End the access of the members, or of one, who have no second factor, of accounts, or of one,
    that require it. Part of the caller's transaction."""
    members = (
        select(Membership.user_id)
        .distinct()
        .join(Account, Account.id == Membership.account_id)
        .where(
            Account.requires_second_factor,
            Membership.user_id.not_in(select(SecondFactor.user_id)),
        )
        .order_by(Membership.user_id)  # two of these don't wait for each other's rows
    )
    if account_id is not None:
        members = members.where(Membership.account_id == account_id)
    if user_id is not None:
        members = members.where(Membership.user_id == user_id)
    for id in db.session.scalars(members).all():
        end_access(id)
