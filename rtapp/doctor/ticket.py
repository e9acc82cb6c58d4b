"""Tickets of the doctor's own requests, which come from outside as those of anybody.

A ticket is signed, names a probe, and ends after LIFETIME. With it one can open a stream on which
nothing but that probe is published, and see how one's own request arrives here.
"""

import secrets

from flask import current_app
from itsdangerous import BadData
from itsdangerous import URLSafeTimedSerializer

from rtapp.errors import Forbidden
from rtapp.timestamp_signer import ClockSigner

LIFETIME = 60  # s
SALT = "rtapp.doctor"


def make() -> tuple[str, str]:
    """A ticket, and the name of its probe."""
    name = secrets.token_hex(16)
    return serializer().dumps(name), name


def probe_of(ticket: str) -> str:
    """The name of its probe. Raises Forbidden for one that is not ours, or has ended."""
    try:
        return str(serializer().loads(ticket, max_age=LIFETIME))
    except BadData as error:
        raise Forbidden("This is for the doctor only: `flask --app app doctor`.") from error


def serializer() -> URLSafeTimedSerializer:
    key = current_app.config["SECRET_KEY"]
    return URLSafeTimedSerializer(key, salt=SALT, signer=ClockSigner)
