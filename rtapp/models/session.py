from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt


class UserSession(Model):
    """A session of a browser. Signing out deletes the row, which invalidates every copy of the
    cookie."""

    __tablename__ = "user_sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)
    created_at: Mapped[CreatedAt]
