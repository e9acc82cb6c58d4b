from flask_login import UserMixin
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model
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
