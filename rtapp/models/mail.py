from sqlalchemy import BigInteger
from sqlalchemy import CheckConstraint
from sqlalchemy import ForeignKey
from sqlalchemy import Integer
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .invitation import Invitation
from .password_link import PasswordLink
from .types import CreatedAt
from .types import Moment


class Mail(Model):
    """A mail with a link that is not yet sent.

    It is of an invitation, of a password link, or, with `email`, of a password link that somebody
    asked for and that is made as the mail is sent, if the address has a user. The link's token is
    derived from `nonce` and the server's secret, so that nothing here opens the link.

    `due_at`: when it may be sent; a process that sends it puts this off first, so that no other
    process does. Ids are never reused.
    """

    __tablename__ = "mails"
    __table_args__ = (
        CheckConstraint(
            "(invitation_id IS NOT NULL AND password_link_id IS NULL AND email IS NULL) OR "
            "(invitation_id IS NULL AND password_link_id IS NOT NULL AND email IS NULL) OR "
            "(invitation_id IS NULL AND password_link_id IS NULL AND email IS NOT NULL)",
            name="subject",
        ),
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    invitation_id: Mapped[int | None] = mapped_column(
        ForeignKey("invitations.id", ondelete="CASCADE"), index=True
    )
    password_link_id: Mapped[int | None] = mapped_column(
        ForeignKey("password_links.id", ondelete="CASCADE"), index=True
    )
    email: Mapped[str | None] = mapped_column(String(254))
    nonce: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[CreatedAt]
    due_at: Mapped[Moment] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)

    invitation: Mapped[Invitation | None] = relationship()
    password_link: Mapped[PasswordLink | None] = relationship()
