"""Bearer tokens: their texts, and who sends one.

A text is `rtapp_u12_…` for user 12, or `rtapp_c3_…` for contact 3, with 256 random bits and a
signature. Whether it holds is in its row alone, which has a digest. The signature lets a guess cost
no query, and names the sender while the database is away.
"""

import re
import secrets
from functools import lru_cache
from hashlib import sha256
from typing import NamedTuple

from flask import current_app
from itsdangerous import BadSignature
from itsdangerous import Signer
from sqlalchemy import bindparam
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.orm import aliased

from rtapp import clock
from rtapp.extensions import execute
from rtapp.models import AgentIdentity
from rtapp.models import Contact
from rtapp.models import CustomerIdentity
from rtapp.models import Principal
from rtapp.models import Token
from rtapp.models import User
from rtapp.models.types import UtcDateTime

SALT = b"rtapp.token"
CLAIM_CACHE_SIZE = 10_000  # texts whose signature was checked, a few hundred bytes each
RANDOM_BYTES = 32
SHAPE = re.compile(r"rtapp_([uc])([1-9][0-9]{0,9})_[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}")

# Built once, and of columns: every request with a token begins with one of them.
HOLDS = (
    Token.digest == bindparam("digest"),
    or_(Token.expires_at.is_(None), Token.expires_at > bindparam("now", type_=UtcDateTime)),
)
USER = (
    select(User.id, User.name, Token.id, Token.scope)
    .join(Token, Token.user_id == User.id)
    .where(*HOLDS, User.disabled_at.is_(None))
)
KEPT = aliased(Contact)
CONTACT = (
    select(
        Contact.id,
        Contact.name,
        Token.id,
        Token.scope,
        Token.inbox_id,
        func.coalesce(KEPT.blocked, Contact.blocked),
    )
    .join(Token, Token.contact_id == Contact.id)
    .outerjoin(KEPT, KEPT.id == Contact.merged_into_id)
    .where(*HOLDS)
)


class Claim(NamedTuple):
    """What a text with a valid signature states. `owner` is a user's id, or the negative of a
    contact's."""

    owner: int
    digest: str


class Bearer(NamedTuple):
    """The principal that a token authenticates, and the columns of its row."""

    principal: Principal
    token_id: int
    scope: str


def make(owner: User | Contact) -> str:
    """A new token's text."""
    kind = "u" if isinstance(owner, User) else "c"
    random = secrets.token_urlsafe(RANDOM_BYTES)
    of_app = signer(current_app.config["SECRET_KEY"])
    return of_app.sign(f"rtapp_{kind}{owner.id}_{random}").decode()


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def claimed(text: str) -> Claim | None:
    """What the text states, without the database: its row may be gone. None without a valid
    signature."""
    try:
        return verified(current_app.config["SECRET_KEY"], text)
    except BadSignature:
        return None


@lru_cache(CLAIM_CACHE_SIZE)
def verified(secret_key: str, text: str) -> Claim:
    """Likewise. Raises BadSignature: a text without a valid signature takes no place here."""
    shape = SHAPE.fullmatch(text)
    if shape is None:
        raise BadSignature("This is not the shape of a token.")
    signer(secret_key).unsign(text)
    id = int(shape[2])
    return Claim(id if shape[1] == "u" else -id, digest(text))


def bearer(claim: Claim) -> Bearer | None:
    """Whom the token authenticates now, by one query of an index; None once it has ended."""
    given = {"digest": claim.digest, "now": clock.now()}
    row = execute(USER if claim.owner > 0 else CONTACT, given).one_or_none()
    if row is None:
        return None
    id, name, token_id, scope, *more = row
    identity = AgentIdentity(id, name) if claim.owner > 0 else CustomerIdentity(id, name, *more)
    return Bearer(identity, token_id, scope)


def signer(secret_key: str) -> Signer:
    return Signer(secret_key, salt=SALT, key_derivation="hmac", digest_method=sha256)
