"""The links with which members of an account set a new password: a list, and the page on which
administrators make and revoke them. pages/new_password.py has what such a link leads to."""

from typing import NamedTuple

from flask import Blueprint
from flask import jsonify
from flask import url_for
from sqlalchemy import select
from sqlalchemy.orm import selectinload
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import clock
from rtapp import ratelimits
from rtapp import validation
from rtapp.answers import done
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import PasswordLink
from rtapp.models import User
from rtapp.services.change_password_links import create_password_link
from rtapp.services.change_password_links import revoke_password_link
from rtapp.validation import Body
from rtapp.validation import RowId

from .invitation import answer_with_link
from .links import url_for_copying
from .management import NoFields
from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("password_link", __name__)

LISTED = 200  # the newest ones


class PasswordLinkFields(Body):
    user_id: RowId


class Made(NamedTuple):
    """What the page shows once: the link that was just made."""

    row: PasswordLink
    url: str


@bp.get("/accounts/<id:account_id>/settings/password-links")
def several(account_id: int) -> Response | str:
    """The password links of the account's members with their state, newest first, as a page or as
    JSON. Those of members whom the user may give none are left out."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), access.RESET)
    if wants_html():
        return page(user, account_id)
    rows = links_of(access.resettable_members(user, account_id))
    return jsonify(password_links=[presenters.password_link(row) for row in rows])


@bp.post("/accounts/<id:account_id>/settings/password-links")
@ratelimits.inviting
def create(account_id: int) -> Response | tuple[str, int]:
    """Make a link with which a member sets a new password, in place of their open ones. The answer
    has the link, which is not shown again."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), access.RESET)
    try:
        member = member_with(account_id, validation.body(PasswordLinkFields).user_id)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, None)), 422
    access.refuse_password_link(user, member)
    row, token = create_password_link(member, user)
    made = Made(row, url_for_copying(PasswordLink, token))
    if wants_html():
        return page(user, account_id, made=made), 201
    return answer_with_link(presenters.password_link(row), made.url)


@bp.post("/password-links/<id:link_id>/revoke")
def revoke(link_id: int) -> Response:
    """End an open password link: it leads nowhere any more."""
    user = auth.signed_in()
    link = access.password_link_for(user, link_id)
    validation.body(NoFields)
    revoke_password_link(link)
    account_id = link.user.memberships[0].account_id
    return done(url_for("password_link.several", account_id=account_id))


def member_with(account_id: int, user_id: int) -> User:
    """Raises Unprocessable if the account has no such member."""
    for member in access.members_of(account_id):
        if member.id == user_id:
            return member
    raise Unprocessable(
        "The account has no such member. Load the page again, and choose among its members.",
        errors={"user_id": ["must be of a member of the account"]},
    )


def page(
    user: User, account_id: int, refused: Refusal | None = None, made: Made | None = None
) -> str:
    """As the page of invitations, it does not load itself again while it shows a new link."""
    cursor = fresh_cursor(account_id) if made is None else ""
    members = access.resettable_members(user, account_id)
    return settings_page(
        "manage/password_links.html",
        user,
        account_id,
        cursor=cursor,
        members=members,
        links=links_of(members),
        now=clock.now(),
        refused=refused,
        made=made,
    )


def links_of(members: list[User]) -> list[PasswordLink]:
    query = (
        select(PasswordLink)
        .where(PasswordLink.user_id.in_([member.id for member in members]))
        .options(selectinload(PasswordLink.user), selectinload(PasswordLink.created_by))
        .order_by(PasswordLink.created_at.desc(), PasswordLink.id.desc())
        .limit(LISTED)
    )
    return list(db.session.scalars(query))
