from flask_login import UserMixin
from sqlalchemy import String
from sqlalchemy import update
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model
from rtapp.extensions import db
from rtapp.passwords import hashed

from .membership import Membership
from .types import Addressed
from .types import CreatedAt
from .types import Id
from .types import Moment
from .types import Name
from .types import Named


class User(Named, Addressed, UserMixin, Model):  # type: ignore[misc]
    """An agent's login. `disabled_at`: since when the user can't sign in, or None."""

    __tablename__ = "users"

    id: Mapped[Id]
    name: Mapped[Name]
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    password_hash: Mapped[str] = mapped_column(String(255))
    created_at: Mapped[CreatedAt]
    disabled_at: Mapped[Moment | None]

    memberships: Mapped[list[Membership]] = relationship(order_by=Membership.account_id)

    def set_password(self, password: str) -> None:
        self.password_hash = hashed(password)


def lock_user(user_id: int) -> None:
    """Lock the user's row until the transaction ends: a sign-in, and what ends sessions or asks
    more of a sign-in, wait for each other.

    An update without a change: it takes the lock on SQLite as well as on PostgreSQL.
    """
    db.session.execute(
        update(User)
        .where(User.id == user_id)
        .values(name=User.name)
        .execution_options(synchronize_session=False)
    )
