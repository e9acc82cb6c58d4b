"""What a website's JWT states of its user (RFC 7519), once the signature is verified, by PyJWT.

One algorithm is accepted, HS256: a token chooses neither `none` nor a public key's algorithm for a
shared secret (RFC 8725, section 3.1). A token holds for an hour at most, so that one that leaks is
of little use.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from typing import NamedTuple

import jwt
from jwt.exceptions import InvalidSubjectError

from rtapp import text
from rtapp.config import NAME_LIMIT
from rtapp.config import SUBJECT_LIMIT

ALGORITHM = "HS256"
JWT_LIMIT = 4096  # characters of a token
EMAIL_LIMIT = 254  # characters of an address (RFC 5321, section 4.5.3.1.3)
VALID_FOR = 60 * 60  # s from now to a token's `exp`, at most
LEEWAY = 30  # s by which the website's clock may differ
TIMES = ("exp", "iat", "nbf")

# PyJWT's errors, the more special ones first, as the end of a sentence about the token.
PROBLEMS = (
    (jwt.ExpiredSignatureError, "has expired; the website must make a new one"),
    (jwt.ImmatureSignatureError, "does not hold yet, by its nbf or iat; compare the clocks"),
    (jwt.InvalidAlgorithmError, f"must be signed with {ALGORITHM}"),
    (jwt.InvalidSignatureError, "is not signed with a secret of this inbox"),
    (InvalidSubjectError, "must have a sub that is text"),
)


class InvalidClaims(ValueError):
    """The token does not hold. The text is the end of a sentence about it, and quotes nothing."""


class Claims(NamedTuple):
    """A website's user: the website's own name for them, and their name and address, if stated."""

    subject: str
    name: str | None
    email: str | None


def claims_of(token: str, secrets: Iterable[str], now: datetime) -> Claims:
    """The claims of a token that is signed with one of the secrets. Raises InvalidClaims."""
    if len(token) > JWT_LIMIT:
        raise InvalidClaims(f"must not have more than {JWT_LIMIT} characters")
    problem = InvalidClaims("can't be verified: this inbox has no secret; make one in its settings")
    for secret in secrets:
        try:
            decoded = verified(token, secret, now)
        except jwt.InvalidSignatureError as error:
            problem = InvalidClaims(sentence(error))
        except (jwt.InvalidTokenError, OverflowError, RecursionError) as error:
            raise InvalidClaims(sentence(error)) from None
        else:
            return checked(decoded["header"], decoded["payload"], now)
    raise problem


def verified(token: str, secret: str, now: datetime) -> dict[str, Any]:
    """The header and the payload. The audience is the website's own matter."""
    decoded: dict[str, Any] = jwt.decode_complete(
        token,
        secret,
        algorithms=[ALGORITHM],
        options={
            "require": ["sub", "exp"],
            "verify_aud": False,
            "verify_exp": False,
            "verify_iat": False,
            "verify_nbf": False,
        },
    )
    verify_times(decoded["payload"], now.timestamp())
    return decoded


def verify_times(payload: dict[str, Any], now: float) -> None:
    """As PyJWT does it (RFC 7519, section 4.1), which has the clock of this host alone."""
    try:
        times = {name: int(payload[name]) for name in TIMES if name in payload}
    except (ValueError, TypeError, OverflowError) as error:
        raise jwt.DecodeError("a time is no number") from error
    if max(times.get("iat", 0), times.get("nbf", 0)) > now + LEEWAY:
        raise jwt.ImmatureSignatureError
    if times["exp"] <= now - LEEWAY:
        raise jwt.ExpiredSignatureError


def sentence(error: Exception) -> str:
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"has no {error.claim}"
    for kind, problem in PROBLEMS:
        if isinstance(error, kind):
            return problem
    return "can't be read as a JWT"


def checked(header: dict[str, Any], payload: dict[str, Any], now: datetime) -> Claims:
    # RFC 7519, section 5.1: "media type values are not case sensitive".
    if str(header.get("typ", "JWT")).upper() != "JWT":
        raise InvalidClaims("must have the typ JWT, or none")
    if int(payload["exp"]) > now.timestamp() + VALID_FOR + LEEWAY:
        raise InvalidClaims("must have an exp that is at most an hour ahead")
    return Claims(
        subject_of(payload["sub"]),
        name_of(payload.get("name")),
        email_of(payload.get("email")),
    )


def subject_of(value: str) -> str:
    """The subject, as it is. Raises InvalidClaims if two that look alike could differ in it."""
    if not 0 < len(value) <= SUBJECT_LIMIT:
        raise InvalidClaims(f"must have a sub of 1 to {SUBJECT_LIMIT} characters")
    if text.is_blank(value) or text.HIDDEN.search(value) or text.single_spaced(value) != value:
        raise InvalidClaims("must have a sub of visible characters")
    return encodable("sub", value)


def name_of(value: object) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str) or text.is_blank(value) or "\x00" in value:
        raise InvalidClaims("must have a name that is visible text, or none")
    name = text.single_spaced(value)
    if len(name) > NAME_LIMIT:
        raise InvalidClaims(f"must have a name of at most {NAME_LIMIT} characters")
    return encodable("name", name)


def email_of(value: object) -> str | None:
    if value is None or value == "":
        return None
    wrong = InvalidClaims("must have an email like name@example.com, or none")
    if not isinstance(value, str) or len(value) > EMAIL_LIMIT:
        raise wrong
    try:
        return encodable("email", text.address(value))
    except InvalidClaims:
        raise
    except ValueError:
        raise wrong from None


def encodable(name: str, value: str) -> str:
    """The text. Raises InvalidClaims for half of a surrogate pair, which JSON can escape."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidClaims(f"must have a {name} without half of a surrogate pair") from None
    return value
