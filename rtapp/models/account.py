from sqlalchemy.orm import Mapped

from rtapp.extensions import Model

from .types import CreatedAt
from .types import Id
from .types import Name


class Account(Model):
    """A company that uses rtapp. Nothing crosses from one account to another."""

    __tablename__ = "accounts"

    id: Mapped[Id]
    name: Mapped[Name]
    created_at: Mapped[CreatedAt]
