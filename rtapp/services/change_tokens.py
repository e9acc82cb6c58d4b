"""A user's and a contact's tokens are made, and end."""

from datetime import datetime
from datetime import timedelta
from typing import NamedTuple

from sqlalchemy import bindparam
from sqlalchemy import delete
from sqlalchemy import exists
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp import scopes
from rtapp import tokens
from rtapp.config import NEW_VISITOR_FOR
from rtapp.config import TOKENS_PER_USER
from rtapp.config import VISITOR_FOR
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import control
from rtapp.events.own_settings import own_settings_changed
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Contact
from rtapp.models import CustomerIdentity
from rtapp.models import Message
from rtapp.models import Token
from rtapp.models import User
from rtapp.models import Website

from .forget_silent import forget_silent

MAX_ENDED = 200  # tokens that end in one transaction
EXPIRED = select(Token.id).where(Token.expires_at <= bindparam("now")).limit(MAX_ENDED)


class NewToken(NamedTuple):
    """A token with its text, which nothing has later."""

    row: Token
    text: str


def create_token(
    user: User,
    name: str,
    scope: str = scopes.WRITE,
    expires_in: int | None = None,
    *,
    published: bool = False,
) -> NewToken:
    """Make a token for the user, which ends after `expires_in` seconds or with the next password.
    `published`: their open pages show it. Raises Unprocessable if they have TOKENS_PER_USER."""
    query = select(func.count()).select_from(Token).where(Token.user_id == user.id)
    if (db.session.scalar(query) or 0) >= TOKENS_PER_USER:
        wrong = f"can't be made: there are {TOKENS_PER_USER} already, so revoke one first"
        raise Unprocessable(f"The token {wrong}.", errors={"name": [wrong]})
    if published:
        own_settings_changed(user.id, "tokens")
    return saved(Token(user_id=user.id, name=name, scope=scope), user, expires_in)


def create_visitor_token(contact: Contact, expires_in: int, name: str = "Visitor") -> NewToken:
    """Make a token for the contact's own conversations, which ends after `expires_in` seconds."""
    return saved(Token(contact_id=contact.id, name=name, scope=scopes.VISITOR), contact, expires_in)


def add_website_token(contact: Contact, inbox_id: int, *, proved: bool = False) -> NewToken:
    """Make a token for the contact's own conversations in the inbox, which ends VISITOR_FOR after
    its last use, or NEW_VISITOR_FOR if they never write and the website has not `proved` who they
    are. Part of the caller's transaction. Raises NotFound if the website was removed meanwhile."""
    hold_website(inbox_id)
    row = Token(contact_id=contact.id, inbox_id=inbox_id, name="Website", scope=scopes.VISITOR)
    lasts = VISITOR_FOR if proved or has_written(contact.id) else NEW_VISITOR_FOR
    return added(row, contact, lasts)


def hold_website(inbox_id: int) -> None:
    """Keep the inbox's website until the transaction ends: its removal ends the tokens that there
    are by then. An SQLite transaction that has written keeps it by itself."""
    row = select(Website.inbox_id).where(Website.inbox_id == inbox_id)
    if db.session.scalar(row.with_for_update(read=True, key_share=True)) is None:
        raise NotFound


def has_written(contact_id: int) -> bool:
    return bool(db.session.scalar(select(exists().where(Message.contact_id == contact_id))))


def prolong(visitor: CustomerIdentity) -> None:
    """Have the tokens of a visitor who writes last for VISITOR_FOR. Part of the caller's
    transaction."""
    own = (Token.contact_id == visitor.id, Token.inbox_id == visitor.inbox_id)
    expiry = {"expires_at": clock.now() + VISITOR_FOR}
    db.session.execute(update(Token).where(*own).values(**expiry))


def saved(row: Token, owner: User | Contact, expires_in: int | None) -> NewToken:
    token = added(row, owner, timedelta(seconds=expires_in) if expires_in is not None else None)
    db.session.commit()
    return token


def added(row: Token, owner: User | Contact, lasts: timedelta | None) -> NewToken:
    text = tokens.make(owner)
    row.digest = tokens.digest(text)
    row.created_at = clock.now()
    if lasts is not None:
        row.expires_at = row.created_at + lasts
    db.session.add(row)
    return NewToken(row, text)


def revoke_token(token: Token) -> None:
    """End the token and the streams that were opened with it."""
    end([token.id])
    db.session.commit()


def end_visitor_token(token_id: int) -> None:
    """End the token of a website's visitor, and its streams. Nothing is left of a visitor who has
    never written."""
    end_all([token_id])
    db.session.commit()


def end_expired_tokens(now: datetime) -> int:
    """Delete tokens that have expired, and end their streams. Returns how many there were."""
    ids = list(execute(EXPIRED, {"now": now}).scalars())
    if ids:
        end_all(ids)
    db.session.commit()
    return len(ids)


def end_all(ids: list[int]) -> None:
    """Delete tokens, and the visitors of websites of whom nothing is left."""
    of_visitors = select(Token.contact_id).where(Token.id.in_(ids), Token.inbox_id.is_not(None))
    contact_ids = db.session.scalars(of_visitors).all()
    end(ids)
    forget_silent(contact_ids)


def end(ids: list[int]) -> int:
    """Delete tokens; their owners' streams are authorised again after the commit. Returns how many
    there were: another request may have ended one."""
    subscriber = func.coalesce(Token.user_id, -Token.contact_id)  # as streams have it
    ended = delete(Token).where(Token.id.in_(ids)).returning(subscriber)
    owners = db.session.scalars(ended).all()
    for id in sorted(set(owners)):
        control.recheck(id)
        if id > 0:
            own_settings_changed(id, "tokens")
    return len(owners)
