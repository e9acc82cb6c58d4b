from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy import Text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .inbox import Inbox
from .types import CreatedAt

HANDLE = 8  # characters of a salt, by which no secret can be derived


def handle_of(salt: str) -> str:
    """What names a secret where it is not shown."""
    return salt[:HANDLE]


class Website(Model):
    """The chat of an inbox on websites; without this row, the inbox has none.

    `key` names it in addresses that anybody may read. `origins` are those that may embed it
    (RFC 6454, section 6.2), separated by spaces. `greeting` and `away` are the texts before the
    first message, while a member of the inbox is present and while none is; empty: those of the
    language. `accent` is `#rrggbb`, `language` a code of config.LANGUAGES. The secrets by which the
    website proves who a visitor is are derived from SECRET_KEY and a salt; two may hold at once, so
    that one can be replaced.
    """

    __tablename__ = "websites"

    inbox_id: Mapped[int] = mapped_column(ForeignKey("inboxes.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(32), unique=True)
    origins: Mapped[str] = mapped_column(Text, default="")
    greeting: Mapped[str] = mapped_column(Text, default="")
    away: Mapped[str] = mapped_column(Text, default="")
    accent: Mapped[str] = mapped_column(String(7), default="#1d4ed8")
    language: Mapped[str] = mapped_column(String(10), default="en")
    first_salt: Mapped[str | None] = mapped_column(String(32), default=None)
    second_salt: Mapped[str | None] = mapped_column(String(32), default=None)
    created_at: Mapped[CreatedAt]

    inbox: Mapped[Inbox] = relationship(lazy="joined", innerjoin=True)

    @property
    def salts(self) -> list[str]:
        """The salts of the secrets that hold now, at most two."""
        return [salt for salt in (self.first_salt, self.second_salt) if salt is not None]
