from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy import text

from rtapp.errors import Problem
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Account
from rtapp.models import User

from .create_account import add_account

# The one row that a database without accounts has. An update without a change locks it, on SQLite
# as well as on PostgreSQL.
LOCK = text("UPDATE alembic_version SET version_num = version_num")


class AlreadySetUp(Problem):
    """There is an account."""

    status = HTTPStatus.CONFLICT

    def __init__(self) -> None:
        super().__init__("rtapp has been set up already. Sign in, or ask who did it to invite you.")


def set_up(account: str, name: str, email: str, password: str) -> User:
    """Make the first account with its administrator, and an inbox. Returns the administrator.

    Of several at once the first one does. Raises AlreadySetUp if there is an account, ValueError
    for a name or an address that the models refuse.
    """
    user = User(name=name, email=email)
    user.set_password(password)  # before the lock: it is slow by design
    db.session.commit()
    execute(LOCK)
    if db.session.scalar(select(Account.id).limit(1)) is not None:
        db.session.rollback()
        raise AlreadySetUp
    add_account(Account(name=account), user)
    db.session.commit()
    return user
