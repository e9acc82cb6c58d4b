"""The inboxes of an account with their settings: a list, and the page of the administrators."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import Field
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import answer
from rtapp.config import ASSIGNMENT_CAP_LIMIT
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.services.change_inbox_settings import change_inbox_settings
from rtapp.services.create_inbox import create_inbox
from rtapp.validation import Body
from rtapp.validation import Name
from rtapp.validation import OrNone

from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("inbox_settings", __name__)

MANAGE = "change the inboxes of the account"

Cap = Annotated[int, Field(ge=1, le=ASSIGNMENT_CAP_LIMIT)]


class InboxFields(Body):
    name: Annotated[Name, Field(max_length=200)]


class InboxSettings(Body):
    """Without a `name`, it stays as it is."""

    name: Annotated[Name, Field(max_length=200)] = ""
    auto_assign: bool
    assignment_cap: Annotated[Cap | None, OrNone]


@bp.get("/accounts/<id:account_id>/inboxes")
def several(account_id: int) -> Response | str:
    """The account's inboxes with their settings, by name, as a page or as JSON."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    if wants_html():
        return page(user, account_id)
    return jsonify(inboxes=[presenters.inbox(row) for row in inboxes_of(account_id)])


@bp.post("/accounts/<id:account_id>/inboxes")
def create(account_id: int) -> Response | tuple[str, int]:
    """Make an inbox, without members."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    try:
        inbox = create_inbox(account_id, validation.body(InboxFields).name)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, None)), 422
    return answer(presenters.inbox(inbox), 201, page_of(account_id))


@bp.post("/inboxes/<id:inbox_id>")
def change(inbox_id: int) -> Response | tuple[str, int]:
    """Rename an inbox, or change its settings."""
    user = auth.signed_in()
    inbox = access.any_inbox_for(user, inbox_id)
    access.refuse_agent(access.membership_in(user, inbox.account_id), MANAGE)
    account_id = inbox.account_id
    try:
        new = validation.body(InboxSettings)
        change_inbox_settings(
            inbox,
            name=new.name or None,
            auto_assign=new.auto_assign,
            assignment_cap=new.assignment_cap,
        )
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, inbox_id)), 422
    return answer(presenters.inbox(inbox), 200, page_of(account_id))


def page_of(account_id: int) -> str:
    return url_for("inbox_settings.several", account_id=account_id)


def page(user: User, account_id: int, refused: Refusal | None = None) -> str:
    return settings_page(
        "manage/inboxes.html",
        user,
        account_id,
        cursor=fresh_cursor(account_id),
        inboxes=inboxes_of(account_id),
        cap_limit=ASSIGNMENT_CAP_LIMIT,
        refused=refused,
    )


def inboxes_of(account_id: int) -> list[Inbox]:
    query = select(Inbox).where(Inbox.account_id == account_id).order_by(Inbox.name, Inbox.id)
    return list(db.session.scalars(query))
