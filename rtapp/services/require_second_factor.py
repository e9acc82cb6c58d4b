import logging

from sqlalchemy import delete
from sqlalchemy import select

from rtapp.errors import Unprocessable
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Membership
from rtapp.models import SecondFactor
from rtapp.models import User
from rtapp.models import UserSession

from .account_rows import change_row
from .change_second_factor import has_second_factor

logger = logging.getLogger(__name__)


def require_second_factor(account: Account, user: User, required: bool) -> None:
    """Have every member of the account sign in with a second factor, or no longer.

    The sessions of the members without one end: the next sign-in sets it up. Raises Unprocessable
    if `user`, who requires it, has none: an administrator would shut themselves out.
    """
    if required and not has_second_factor(user.id):
        wrong = "needs an administrator who signs in so: turn it on for yourself first"
        raise Unprocessable(f"Two-step sign-in {wrong}.", errors={"required": [wrong]})
    change_row(account, requires_second_factor=required)
    if required:
        end_sessions_without(account.id)
    db.session.commit()
    logger.warning(
        "User %s %s two-step sign-in of account %s",
        user.id, "requires" if required else "no longer requires", account.id,
    )  # fmt: skip


def end_sessions_without(account_id: int, user_id: int | None = None) -> None:
    """End the sessions of the members, or of one, who have no second factor. Part of the caller's
    transaction."""
    members = select(Membership.user_id).where(
        Membership.account_id == account_id,
        Membership.user_id.not_in(select(SecondFactor.user_id)),
    )
    if user_id is not None:
        members = members.where(Membership.user_id == user_id)
    for id in db.session.scalars(members).all():
        db.session.execute(delete(UserSession).where(UserSession.user_id == id))
        control.recheck(id)
