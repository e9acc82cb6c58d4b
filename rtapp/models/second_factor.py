from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import CreatedAt


class SecondFactor(Model):
    """A user signs in with a code besides the password. totp.py derives the secret from `salt`.

    `last_step` is the time step of the last code that was used: "The verifier MUST NOT accept the
    second attempt of the OTP" (RFC 6238, section 5.2).
    """

    __tablename__ = "second_factors"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    salt: Mapped[str] = mapped_column(String(32))
    last_step: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[CreatedAt]
