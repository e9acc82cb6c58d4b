"""The secrets by which a website proves who a visitor is.

Like a second factor's (totp.py), a secret is derived from SECRET_KEY and a salt: who reads the
database alone can't sign for anybody.
"""

import hmac
import secrets
from hashlib import sha256

from flask import current_app

from rtapp.models import Website


def make_salt() -> str:
    return secrets.token_hex(16)


def secret_of(website: Website, salt: str) -> str:
    """The secret of one of the website's salts: 64 hexadecimal digits, of which the text itself is
    the key (RFC 7518, section 3.2: at least 32 bytes)."""
    text = f"website {website.inbox_id} {salt}"
    return hmac.digest(current_app.config["SECRET_KEY"].encode(), text.encode(), sha256).hex()


def secrets_of(website: Website) -> list[str]:
    """The secrets that hold now: none, one, or two while one replaces the other."""
    return [secret_of(website, salt) for salt in website.salts]
