from sqlalchemy import CheckConstraint
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import Choice
from .types import CreatedAt
from .types import Id
from .types import Moment
from .types import Name
from .types import Named


class Token(Named, Model):
    """A bearer token of a user or of a contact: one of the two ids is set. Its text is in no
    column, only `digest`, the text's SHA-256 in hexadecimal. Revoking it deletes the row.

    `scope` is one of scopes.SCOPES, or VISITOR for a contact's. `last_used_at` is at most a minute
    late: see uses.py. `inbox_id` is set for a visitor of its website: only the contact's
    conversations there are theirs.
    """

    __tablename__ = "tokens"
    __table_args__ = (
        CheckConstraint("(user_id IS NULL) <> (contact_id IS NULL)", name="owner"),
        {"sqlite_autoincrement": True},  # a number is no other token's later
    )

    id: Mapped[Id]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[Name]
    scope: Mapped[Choice]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"), index=True)
    contact_id: Mapped[int | None] = mapped_column(ForeignKey("contacts.id"), index=True)
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inboxes.id"), index=True, default=None)
    created_at: Mapped[CreatedAt]
    last_used_at: Mapped[Moment | None]
    expires_at: Mapped[Moment | None] = mapped_column(index=True)
