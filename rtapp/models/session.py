from datetime import datetime
from datetime import timedelta
from hashlib import sha256

from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp import addresses
from rtapp.config import SIGNED_IN_FOR
from rtapp.extensions import Model

from .types import CreatedAt
from .types import Moment

USER_AGENT_LIMIT = 300  # characters


class UserSession(Model):
    """A session of a browser. Signing out deletes the row, which invalidates every copy of the
    cookie. `user_agent` and `address` are those of signing in; `last_used_at` is at most a minute
    late: see uses.py."""

    __tablename__ = "user_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[CreatedAt]
    user_agent: Mapped[str] = mapped_column(String(USER_AGENT_LIMIT), default="")
    address: Mapped[str] = mapped_column(String(45), default=addresses.UNKNOWN)
    last_used_at: Mapped[Moment | None]

    @property
    def handle(self) -> str:
        """What names the session to its user: the id itself is in the cookie."""
        return sha256(self.id.encode()).hexdigest()[:16]


def oldest_session(now: datetime) -> datetime:
    """The time after which a session began that is valid `now`."""
    return now - timedelta(seconds=SIGNED_IN_FOR)
