from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model


class RecoveryCode(Model):
    """Takes the place of a code of the authenticator app once: its row is deleted by its use."""

    __tablename__ = "recovery_codes"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    hash: Mapped[str] = mapped_column(String(64), primary_key=True)  # SHA-256 of 120 random bits
