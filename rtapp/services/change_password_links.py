"""Links with which users set a new password. Events only say that they have changed."""

from sqlalchemy import delete
from sqlalchemy import update

from rtapp import clock
from rtapp.config import PASSWORD_LINK_FOR
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import PasswordLink
from rtapp.models import User

from .enqueue_mail import mail_link
from .link import KEPT_FOR
from .link import LinkToken
from .link import is_open
from .link import new_token
from .link import publish_change
from .link import revoke_link


def create_password_link(user: User, by: Agent | None) -> tuple[PasswordLink, LinkToken]:
    """Make a link for the user, in place of their open ones, and mail it. Raises Unprocessable for
    a disabled user."""
    if user.disabled_at is not None:
        raise Unprocessable(
            f"{user.email} is disabled. Enable the user first.",
            errors={"user_id": ["is that of a disabled user"]},
        )
    revoke_password_links(user.id)
    link, token = add_password_link(user.id, by)
    mail_link(link, token)
    publish_change(link)
    db.session.commit()
    return link, token


def add_password_link(user_id: int, by: Agent | None) -> tuple[PasswordLink, LinkToken]:
    """Part of the caller's transaction. Links that have ended KEPT_FOR ago are deleted."""
    db.session.execute(
        delete(PasswordLink)
        .where(PasswordLink.user_id == user_id, PasswordLink.expires_at < clock.now() - KEPT_FOR)
        .execution_options(synchronize_session=False)
    )
    token, now = new_token(), clock.now()
    link = PasswordLink(
        user_id=user_id,
        created_by_id=by.id if by is not None else None,
        digest=token.digest,
        created_at=now,
        expires_at=now + PASSWORD_LINK_FOR,
    )
    db.session.add(link)
    db.session.flush()
    return link, token


def revoke_password_link(link: PasswordLink) -> None:
    """End an open link. Does nothing to one that has ended."""
    revoke_link(link)
    db.session.commit()


def revoke_password_links(user_id: int) -> None:
    """End the user's open links. Part of the caller's transaction."""
    now = clock.now()
    db.session.execute(
        update(PasswordLink)
        .where(PasswordLink.user_id == user_id, is_open(PasswordLink, now))
        .values(revoked_at=now)
        .execution_options(synchronize_session=False)
    )
