from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .link import Link
from .user import User


class PasswordLink(Link, Model):
    """A link with which a user sets a new password without the present one.

    `created_by`: the administrator who made it; None for one of the command line, or one that the
    user asked for.
    """

    __tablename__ = "password_links"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_by_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))

    user: Mapped[User] = relationship(foreign_keys=user_id)
    created_by: Mapped[User | None] = relationship(foreign_keys=created_by_id)
