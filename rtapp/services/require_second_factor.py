import logging

from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import User

from .account_rows import change_row
from .change_second_factor import has_second_factor
from .end_access import end_access_without_second_factor

logger = logging.getLogger(__name__)


def require_second_factor(account: Account, user: User, required: bool) -> None:
    """Have every member of the account sign in with a second factor, or no longer.

    The sessions and tokens of the members without one end: the next sign-in sets it up. Raises
    Unprocessable if `user`, who requires it, has none: an administrator would shut themselves out.
    """
    if required and not has_second_factor(user.id):
        wrong = "needs an administrator who signs in so: turn it on for yourself first"
        raise Unprocessable(f"Two-step sign-in {wrong}.", errors={"required": [wrong]})
    change_row(account, requires_second_factor=required)
    if required:
        end_access_without_second_factor(account_id=account.id)
    db.session.commit()
    logger.warning(
        "User %s %s two-step sign-in of account %s",
        user.id, "requires" if required else "no longer requires", account.id,
    )  # fmt: skip
