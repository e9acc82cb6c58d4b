"""Repetitions: a request with a `client_id` that its sender has used before.

The same request again is answered with what the first one made. Another request with this
`client_id` is refused, or what it brings would be lost without a word.
"""

import hmac
import json

from flask import current_app

from rtapp.errors import Unprocessable
from rtapp.models import Message


def digest_of(*fields: object) -> str:
    """A digest of a request's fields, in hex, to be stored with its message.

    It is keyed (HMAC, RFC 2104), because it outlives the text of a deleted message: without the
    key, the database proves no guess of that text.
    """
    key: str = current_app.config["SECRET_KEY"]
    return hmac.digest(key.encode(), json.dumps(fields).encode(), "sha256").hex()


def refuse_another(earlier: Message, digest: str) -> None:
    """Raises Unprocessable unless `digest` is that of the request that brought `earlier`.

    A message without a digest is older than this check: then its `client_id` decides alone.
    """
    if earlier.request_digest not in (None, digest):
        raise Unprocessable(
            "This client_id came with another request before. Make a new one for each message.",
            errors={"client_id": ["is in use for another message"]},
        )
