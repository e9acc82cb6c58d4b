from sqlalchemy import exists
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.models import UserSession

from . import announce


def own_settings_changed(user_id: int, *parts: str) -> None:
    """Have the user's open pages load these parts of their own settings again: sessions, tokens or
    second_factor. Part of the caller's transaction.

    The streams of all their accounts have it. Of a user who is signed in nowhere, no page is open.
    """
    signed_in = exists().where(UserSession.user_id == user_id)
    accounts = select(Membership.account_id).where(Membership.user_id == user_id, signed_in)
    for account_id in db.session.scalars(accounts.order_by(Membership.account_id)).all():
        for part in parts:
            announce.settings_changed(account_id, part, [user_id])
