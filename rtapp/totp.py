"""Time-based one-time passwords (RFC 6238), by pyotp: what an authenticator app shows.

The secret is derived from SECRET_KEY and a salt: who reads the database alone has no codes. With
another SECRET_KEY every second factor must be set up again.
"""

import base64
import hmac
import secrets
from datetime import datetime
from hashlib import sha256

import pyotp
import segno

INTERVAL = 30  # s, "We RECOMMEND a default time-step size of 30 seconds" (section 5.2)
SECRET_BYTES = 20  # the length of SHA-1's output (RFC 4226, section 4)
ISSUER = "rtapp"
AROUND = (0, -1, 1)  # time steps: "at most one time step is allowed as the network delay"


def make_salt() -> str:
    return secrets.token_hex(16)


def secret_of(key: str, user_id: int, salt: str) -> str:
    """The user's secret in base32, as authenticator apps take it."""
    text = f"second factor {user_id} {salt}"
    digest = hmac.digest(key.encode(), text.encode(), sha256)
    return base64.b32encode(digest[:SECRET_BYTES]).decode()


def step_of(secret: str, code: str, now: datetime) -> int | None:
    """The time step whose code this is: the one of `now`, or one beside it. None for no such."""
    totp, present = pyotp.TOTP(secret), int(now.timestamp()) // INTERVAL
    for step in (present + offset for offset in AROUND):
        if hmac.compare_digest(totp.generate_otp(step).encode(), code.encode(errors="replace")):
            return step
    return None


def uri_of(secret: str, email: str) -> str:
    """The `otpauth:` URI for an authenticator app. It has the secret."""
    return pyotp.TOTP(secret, name=email, issuer=ISSUER).provisioning_uri()


def image_of(uri: str) -> str:
    """The URI as a QR code, an `<svg>` element."""
    return segno.make(uri, error="m", micro=False).svg_inline(scale=4, border=4, light="#fff")
