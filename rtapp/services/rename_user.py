from sqlalchemy import select

from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.models import User

from .account_rows import change_row
from .account_rows import reset_members


def rename_user(user: User, name: str) -> None:
    """Set the user's name. Clients of all their accounts fetch the state again: it is in rows of
    all kinds. The same name publishes nothing."""
    if user.name == name:
        return
    change_row(user, name=name)
    control.recheck(user.id)  # they may type under the old name
    accounts = select(Membership.account_id).where(Membership.user_id == user.id)
    for account_id in db.session.scalars(accounts.order_by(Membership.account_id)).all():
        reset_members(account_id)
    db.session.commit()
