import base64
import re
import secrets
from hashlib import sha256
from typing import Any
from typing import cast

from flask import current_app
from sqlalchemy import CursorResult
from sqlalchemy import delete
from sqlalchemy import update

from rtapp import clock
from rtapp import totp
from rtapp.events.own_settings import own_settings_changed
from rtapp.extensions import db
from rtapp.models import RecoveryCode
from rtapp.models import SecondFactor

RECOVERY_BYTES = 15  # enough for a plain hash (OWASP ASVS 5.0, 6.5.2)


def verify_code(user_id: int, code: str) -> bool:
    """Whether this is a code of the user's authenticator app, or one of the recovery codes.

    It is used up, in this transaction: of two requests with one code, one gets True.
    """
    code = plain(code)
    if not re.fullmatch(r"[0-9]{6}", code):
        used = delete(RecoveryCode).where(
            RecoveryCode.user_id == user_id, RecoveryCode.hash == hash_of(code)
        )
        if affected(used) == 0:
            return False
        own_settings_changed(user_id, "second_factor")
        return True
    factor = db.session.get(SecondFactor, user_id)
    step = factor and totp.step_of(secret_of(user_id, factor.salt), code, clock.now())
    if step is None:
        return False
    newer = update(SecondFactor).where(
        SecondFactor.user_id == user_id, SecondFactor.last_step < step
    )
    return affected(newer.values(last_step=step)) == 1


def affected(statement: Any) -> int:
    return cast(CursorResult[Any], db.session.execute(statement)).rowcount


def secret_of(user_id: int, salt: str) -> str:
    return totp.secret_of(current_app.config["SECRET_KEY"], user_id, salt)


def make_recovery_code() -> str:
    """120 random bits in base32, in groups of four."""
    text = base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower()
    return "-".join(text[i : i + 4] for i in range(0, len(text), 4))


def hash_of(recovery_code: str) -> str:
    return sha256(plain(recovery_code).encode(errors="replace")).hexdigest()


def plain(code: str) -> str:
    """As it is compared: people type spaces, hyphens and capital letters."""
    return re.sub(r"[\s-]", "", code).lower()
