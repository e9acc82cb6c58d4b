"""Links of administrators end with what they rest on, so that the lists say so. The functions here
are parts of the caller's transaction. `access.has_lapsed` refuses links made at the same time."""

from sqlalchemy import ColumnElement
from sqlalchemy import select

from rtapp import clock
from rtapp.extensions import db
from rtapp.models import Invitation
from rtapp.models import Membership
from rtapp.models import PasswordLink

from .link import Kind
from .link import is_open
from .link import revoke_link


def revoke_links_by(user_id: int, account_id: int) -> None:
    """End the open links that the user has made as an administrator of the account: into it, and
    for passwords of its members."""
    members = select(Membership.user_id).where(Membership.account_id == account_id)
    revoke(Invitation, Invitation.created_by_id == user_id, Invitation.account_id == account_id)
    revoke(PasswordLink, PasswordLink.created_by_id == user_id, PasswordLink.user_id.in_(members))


def revoke_links_for(user_id: int) -> None:
    """End the open password links that administrators have made for the user, who joins or leaves
    an account: with another account's, one could enter it."""
    revoke(PasswordLink, PasswordLink.user_id == user_id, PasswordLink.created_by_id.is_not(None))


def revoke(kind: type[Kind], *which: ColumnElement[bool]) -> None:
    query = select(kind).where(is_open(kind, clock.now()), *which).order_by(kind.id)
    for link in db.session.scalars(query).all():
        revoke_link(link)
