from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.config import SUBJECT_LIMIT
from rtapp.extensions import Model

from .types import CreatedAt


class Identity(Model):
    """The contact of a user of a website, which has proved who that is. `subject` is the website's
    own name for the user, its JWT's `sub` (RFC 7519, section 4.1.2)."""

    __tablename__ = "identities"

    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"), primary_key=True)
    subject: Mapped[str] = mapped_column(String(SUBJECT_LIMIT), primary_key=True)
    contact_id: Mapped[int] = mapped_column(ForeignKey("contacts.id"), index=True)
    created_at: Mapped[CreatedAt]
