"""The members of an account: a list, and the page on which administrators change it."""

from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import BeforeValidator
from pydantic import Field
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.config import INBOXES_PER_ACCOUNT
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import SecondFactor
from rtapp.models import User
from rtapp.services.change_membership import change_membership
from rtapp.services.change_second_factor import remove_second_factor
from rtapp.services.remove_member import remove_member
from rtapp.validation import Body
from rtapp.validation import RowId

from .inbox_settings import inboxes_of
from .management import NoFields
from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("member", __name__)

MANAGE = "change the members of the account"


def ticked(value: object) -> object:
    """The ids of a form's boxes `inbox_ids.<id>`, which it sends only if they are ticked. It always
    sends another one, without a value, which shows that it has boxes."""
    if not isinstance(value, Mapping):
        return value
    return [int(id) if id.isdecimal() else id for id, on in value.items() if on]


class MemberFields(Body):
    """`inbox_ids`: all that the member is to be in; None leaves them as they are."""

    role: Literal["administrator", "agent"]
    sees: Literal["inbox", "assigned"]
    inbox_ids: Annotated[
        Annotated[list[RowId], Field(max_length=INBOXES_PER_ACCOUNT)] | None,
        BeforeValidator(ticked),
    ] = None


@bp.get("/accounts/<id:account_id>/settings/members")
def several(account_id: int) -> Response | str:
    """The account's members with their roles and inboxes, by name, as a page or as JSON."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    if wants_html():
        return page(user, account_id)
    inboxes = [presenters.inbox(row) for row in inboxes_of(account_id)]
    return jsonify(members=members_of(account_id), inboxes=inboxes)


@bp.post("/accounts/<id:account_id>/settings/members/<id:user_id>")
def change(account_id: int, user_id: int) -> Response | tuple[str, int]:
    """Change a member's role, what they see as an agent, and their inboxes."""
    user = auth.signed_in()
    membership = changeable_member(user, account_id, user_id)
    try:
        new = validation.body(MemberFields)
        change_membership(
            membership, role=new.role, sees=new.sees, inbox_ids=new.inbox_ids, by=user
        )
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, user_id)), 422
    (member,) = [row for row in members_of(account_id) if row["id"] == user_id]
    return answer(member, 200, page_of(user, account_id))


@bp.post("/accounts/<id:account_id>/settings/members/<id:user_id>/remove")
def remove(account_id: int, user_id: int) -> Response | tuple[str, int]:
    """Remove a member from the account, and unassign their conversations."""
    user = auth.signed_in()
    membership = changeable_member(user, account_id, user_id)
    validation.body(NoFields)
    try:
        remove_member(membership, by=user)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, user_id)), 422
    return done(page_of(user, account_id))


@bp.post("/accounts/<id:account_id>/settings/members/<id:user_id>/second-factor/delete")
def turn_off_second_factor(account_id: int, user_id: int) -> Response:
    """Turn off the second factor of a member who has lost it, and end their sessions."""
    user = auth.signed_in()
    member = db.session.get_one(User, changeable_member(user, account_id, user_id).user_id)
    access.refuse_second_factor(user, member)
    validation.body(NoFields)
    remove_second_factor(member, by=user)
    return done(page_of(user, account_id))


def changeable_member(user: User, account_id: int, user_id: int) -> Membership:
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    return access.member_of(account_id, user_id)


def page_of(user: User, account_id: int) -> str:
    """The page; the inbox for a user who is no administrator any more, by their own change."""
    own = db.session.scalar(
        select(Membership).where(Membership.account_id == account_id, Membership.user_id == user.id)
    )
    if own is None:
        return url_for("me.home")
    if own.role != "administrator":
        return url_for("conversation.several", account_id=account_id)
    return url_for("member.several", account_id=account_id)


def page(user: User, account_id: int, refused: Refusal | None = None) -> str:
    return settings_page(
        "manage/members.html",
        user,
        account_id,
        cursor=fresh_cursor(account_id),
        members=members_of(account_id),
        inboxes=inboxes_of(account_id),
        assigned=assigned_in(account_id),
        second_factors=second_factors_of(access.resettable_members(user, account_id)),
        refused=refused,
    )


def members_of(account_id: int) -> list[dict[str, Any]]:
    """The account's members, by name."""
    query = (
        select(User, Membership)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.account_id == account_id)
        .order_by(func.lower(User.name), User.id)
    )
    inboxes: dict[int, list[int]] = {}
    own = [row.id for row in inboxes_of(account_id)]
    members = select(InboxMember).where(InboxMember.inbox_id.in_(own))
    for row in db.session.scalars(members.order_by(InboxMember.inbox_id)):
        inboxes.setdefault(row.user_id, []).append(row.inbox_id)
    return [
        presenters.member(user, membership, inboxes.get(user.id, []))
        for user, membership in db.session.execute(query)
    ]


def second_factors_of(members: list[User]) -> set[int]:
    """The ids of those who sign in with a second factor."""
    ids = [member.id for member in members]
    return set(
        db.session.scalars(select(SecondFactor.user_id).where(SecondFactor.user_id.in_(ids)))
    )


def assigned_in(account_id: int) -> dict[int, int]:
    """The number of conversations that are assigned to each user who has any, by the user's id."""
    query = (
        select(Conversation.assignee_id, func.count())
        .where(
            Conversation.account_id == account_id,
            Conversation.assignee_id.is_not(None),
            access.UNMERGED,
        )
        .group_by(Conversation.assignee_id)
    )
    rows = db.session.execute(query)
    return {row[0]: row[1] for row in rows if row[0] is not None}
