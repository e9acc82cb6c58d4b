from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy import bindparam
from sqlalchemy import exists
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import object_session

from rtapp.config import PHONE_LIMIT
from rtapp.extensions import Model

from .identity import Identity
from .searched import Searched
from .types import Addressed
from .types import CreatedAt
from .types import Id
from .types import Name
from .types import Named
from .types import Version


class Contact(Named, Addressed, Searched, Model):
    """A customer. `notes` are the team's: nothing that a customer receives has them. One that is
    `blocked` neither reads nor writes: see access.refuse_blocked_visitor.

    `merged_into_id` is the contact that has this one's conversations since a merge, else None. That
    contact is not merged itself. A merged contact is not changed, and keeps its address: see
    services/merge_contacts.py. `aliases` are the names and addresses of those merged into this one,
    by which a search finds its conversations.

    `given_email` is an address that a visitor of a website typed: nobody has proved that it is
    theirs, so it identifies no contact. `page_url` is the page from which they last wrote.
    """

    SEARCHED = ("name", "email", "aliases")

    __tablename__ = "contacts"
    __table_args__ = (Index(None, "account_id", "email", unique=True),)

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    name: Mapped[Name]
    email: Mapped[str | None] = mapped_column(String(254))  # lower case
    given_email: Mapped[str | None] = mapped_column(String(254), default=None)
    page_url: Mapped[str | None] = mapped_column(Text, default=None)
    phone: Mapped[str | None] = mapped_column(String(PHONE_LIMIT))
    notes: Mapped[str] = mapped_column(Text, default="")
    blocked: Mapped[bool] = mapped_column(default=False)
    aliases: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[CreatedAt]
    version: Mapped[Version]
    merged_into_id: Mapped[int | None] = mapped_column(
        ForeignKey("contacts.id"), index=True, default=None
    )

    @property
    def verified(self) -> bool:
        """Whether a website has proved who this is, or who a contact is that was merged into it."""
        session = object_session(self)
        return session is not None and bool(session.scalar(VERIFIED, {"id": self.id}))


VERIFIED = select(
    exists()
    .where(Identity.contact_id == Contact.id)
    .where(or_(Contact.id == bindparam("id"), Contact.merged_into_id == bindparam("id")))
)
