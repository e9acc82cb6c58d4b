"""A link with which its holder does one thing, once: join an account, or set a new password."""

from datetime import datetime
from hashlib import sha256
from typing import Literal

from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from .types import Choice
from .types import CreatedAt
from .types import Id
from .types import Moment
from .types import UtcDateTime

State = Literal["open", "used", "expired", "revoked"]


class Link:
    """The columns that every kind of link has. The token in its URL is not among them.

    `digest`: the token's, by `digest_of`. `mail`: None if no mail has the link, else waiting, sent
    or failed. `mail_error`: why it waits or failed, as a sentence that begins with the server.
    """

    id: Mapped[Id]
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[Moment]
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    mail: Mapped[Choice | None]
    mail_error: Mapped[str | None] = mapped_column(String(300))

    def state(self, now: datetime) -> State:
        if self.used_at is not None:
            return "used"
        if self.revoked_at is not None:
            return "revoked"
        return "open" if now < self.expires_at else "expired"


def digest_of(token: str) -> str:
    """The SHA-256 of a token, in hex. Without a salt: a token has 256 random bits."""
    return sha256(token.encode(errors="replace")).hexdigest()
