from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .searched import Searched
from .types import Addressed
from .types import CreatedAt
from .types import Id
from .types import Name
from .types import Named


class Contact(Named, Addressed, Searched, Model):
    """A customer."""

    SEARCHED = ("name", "email")

    __tablename__ = "contacts"
    __table_args__ = (Index(None, "account_id", "email", unique=True),)

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[Name]
    email: Mapped[str | None] = mapped_column(String(254))  # lower case
    created_at: Mapped[CreatedAt]
