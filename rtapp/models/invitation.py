from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .account import Account
from .link import Link
from .types import Addressed
from .types import Choice
from .user import User


class Invitation(Link, Addressed, Model):
    """An invitation into an account, with what the member will have: see Membership.

    `email`: the only address with which it can be accepted, or None. `inbox_ids`: the account's
    inboxes of which they become a member. `created_by`: None for one of the command line.
    """

    __tablename__ = "invitations"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), index=True)
    email: Mapped[str | None] = mapped_column(String(254))
    role: Mapped[Choice] = mapped_column(default="agent")
    sees: Mapped[Choice] = mapped_column(default="inbox")
    inbox_ids: Mapped[list[int]] = mapped_column(JSON)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    used_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    account: Mapped[Account] = relationship()
    created_by: Mapped[User | None] = relationship(foreign_keys=created_by_id)
    used_by: Mapped[User | None] = relationship(foreign_keys=used_by_id)
