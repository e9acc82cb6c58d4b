import secrets

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
from .types import Name
from .types import Named


def stamp() -> str:
    return secrets.token_hex(8)


class User(Named, Addressed, UserMixin, Model):  # type: ignore[misc]
    """An agent's login. Every bearer token contains `stamp`: a new one invalidates them all."""

    __tablename__ = "users"

    id: Mapped[Id]
    name: Mapped[Name]
    email: Mapped[str] = mapped_column(String(254), unique=True)  # lower case
    password_hash: Mapped[str] = mapped_column(String(255))
    stamp: Mapped[str] = mapped_column(String(16), default=stamp)
    created_at: Mapped[CreatedAt]

    memberships: Mapped[list[Membership]] = relationship(order_by=Membership.account_id)

    def set_password(self, password: str) -> None:
        self.password_hash = hashed(password)
        self.stamp = stamp()
