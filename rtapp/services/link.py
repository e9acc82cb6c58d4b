"""Invitations and password links: a random token, stored as its hash, with which one thing is done
once. The functions here are parts of the caller's transaction."""

import hmac
import secrets
from datetime import datetime
from datetime import timedelta
from typing import NamedTuple
from typing import TypeVar

from flask import current_app
from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import select
from sqlalchemy import update

from rtapp import access
from rtapp import clock
from rtapp.errors import Gone
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Invitation
from rtapp.models import Membership
from rtapp.models import PasswordLink
from rtapp.models import digest_of
from rtapp.vapid import encode

KEPT_FOR = timedelta(days=30)  # for which a link that has ended is listed

PAGES = {Invitation: "/join", PasswordLink: "/password"}  # where the links lead

Kind = TypeVar("Kind", Invitation, PasswordLink)

UNKNOWN = (
    "This link leads nowhere: a part of it may be missing, or it has ended long ago. Copy all of "
    "it into the address bar, or ask for a new one."
)
ENDED = {
    "used": "This link was used already, and works once. If that was you, sign in; if not, tell an "
    "administrator of your team, and ask for a new one.",
    "revoked": "This link was revoked. Ask an administrator of your team for a new one.",
    "expired": "This link has expired. Ask for a new one.",
}


class LinkToken(NamedTuple):
    """A new link's token. From `nonce` it can be derived again, with the server's secret."""

    nonce: str
    text: str

    @property
    def digest(self) -> str:
        return digest_of(self.text)


def new_token() -> LinkToken:
    nonce = secrets.token_hex(32)
    return LinkToken(nonce, token_of(nonce))


def token_of(nonce: str) -> str:
    """The token of this nonce: 256 bits (HMAC, RFC 2104). Neither the nonce nor the secret gives it
    away alone."""
    key: str = current_app.config["SECRET_KEY"]
    return encode(hmac.digest(key.encode(), f"rtapp.link {nonce}".encode(), "sha256"))


def url_with(base: str, kind: type[Invitation] | type[PasswordLink], token: str) -> str:
    """The link: `base`, an address without a slash at its end, and the token in the query, which no
    access log has."""
    return f"{base}{PAGES[kind]}?token={token}"


def link_with(kind: type[Kind], digest: str | None) -> Kind:
    """The link with this digest of its token. Raises Gone without one. It may have ended."""
    link = db.session.scalar(select(kind).where(kind.digest == digest)) if digest else None
    if link is None:
        raise Gone(UNKNOWN)
    return link


def refuse_ended(link: Invitation | PasswordLink) -> None:
    """Raises Gone, with what to do, unless the link is open and has not lapsed."""
    state = link.state(clock.now())
    if state != "open":
        raise Gone(ENDED[state])
    if access.has_lapsed(link):
        raise Gone(ENDED["revoked"])


def use_link(link: Invitation | PasswordLink) -> None:
    """Mark the link as used. Raises Gone if it is not open any more, or has lapsed: of two requests
    at once, one uses it. It locks the row, on SQLite too."""
    now = clock.now()
    if not change(link, now, used_at=now) or access.has_lapsed(link):
        db.session.rollback()
        db.session.refresh(link)
        refuse_ended(link)
        raise Gone(UNKNOWN)


def revoke_link(link: Invitation | PasswordLink) -> bool:
    """Revoke the link. Returns whether it was open."""
    now = clock.now()
    return change(link, now, revoked_at=now)


def publish_change(link: Invitation | PasswordLink) -> None:
    """Have the open pages of its account, or of all accounts of its user, list the link anew."""
    if isinstance(link, Invitation):
        announce.settings_changed(link.account_id, "invitations")
        return
    accounts = select(Membership.account_id).where(Membership.user_id == link.user_id)
    for account_id in db.session.scalars(accounts.order_by(Membership.account_id)).all():
        announce.settings_changed(account_id, "password_links")


def change(link: Invitation | PasswordLink, now: datetime, **values: datetime) -> bool:
    """Change the link's row if it is open. Returns whether it was."""
    kind = type(link)
    statement = (
        update(kind)
        .where(kind.id == link.id, is_open(kind, now))
        .values(values)
        .returning(kind.id)
        .execution_options(synchronize_session=False)
    )
    changed = db.session.scalar(statement) is not None
    db.session.refresh(link)
    if changed:
        publish_change(link)
    return changed


def is_open(kind: type[Invitation] | type[PasswordLink], now: datetime) -> ColumnElement[bool]:
    """The condition under which a link is open, as `Link.state` has it."""
    return and_(kind.used_at.is_(None), kind.revoked_at.is_(None), kind.expires_at > now)
