from http import HTTPStatus

from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from rtapp.errors import Problem
from rtapp.errors import Unprocessable
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

    Of several at once the first one does. Raises AlreadySetUp if there is an account, Unprocessable
    if there is a user with this address, ValueError for a name or an address that the models
    refuse.
    """
    user = User(name=name, email=email)
    user.set_password(password)  # before the lock: it is slow by design
    db.session.commit()
    execute(LOCK)
    if db.session.scalar(select(Account.id).limit(1)) is not None:
        db.session.rollback()
        raise AlreadySetUp
    try:
        add_account(Account(name=account), user)
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        raise user_exists(email) from None
    return user


def user_exists(email: str) -> Unprocessable:
    """Such a user can't be taken over by anybody who has the link: the operator names them."""
    way = f"flask --app app account create NAME --administrator {email}"
    return Unprocessable(
        f"There is a user with this address already: take another one, or run `{way}`.",
        errors={"email": [f"is of a user already: take another one, or run `{way}`"]},
    )
