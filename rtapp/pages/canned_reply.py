"""The canned replies of an account: a list, and the page on which its members change it."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import AfterValidator
from pydantic import Field
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.config import CONTENT_LIMIT
from rtapp.config import SHORTCUT_LIMIT
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import CannedReply
from rtapp.models import User
from rtapp.services.change_canned_replies import change_canned_reply
from rtapp.services.change_canned_replies import create_canned_reply
from rtapp.services.change_canned_replies import delete_canned_reply
from rtapp.text import shortcut
from rtapp.validation import Body
from rtapp.validation import Content
from rtapp.validation import Text

from .management import NoFields
from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("canned_reply", __name__)

# What a page replaces in a content: pages/inbox.py has their values.
VARIABLES = (
    "contact.name",
    "contact.first_name",
    "contact.email",
    "agent.name",
    "agent.first_name",
    "conversation.id",
)


class CannedReplyFields(Body):
    shortcut: Annotated[Text, AfterValidator(shortcut), Field(max_length=SHORTCUT_LIMIT)]
    content: Annotated[Content, Field(max_length=CONTENT_LIMIT)]


@bp.get("/accounts/<id:account_id>/canned-replies")
def several(account_id: int) -> Response | str:
    """The account's canned replies, by shortcut, as a page or as JSON."""
    user = auth.signed_in()
    access.membership_in(user, account_id)
    if wants_html():
        return page(user, account_id)
    return jsonify(canned_replies=[presenters.canned_reply(row) for row in replies_of(account_id)])


@bp.post("/accounts/<id:account_id>/canned-replies")
def create(account_id: int) -> Response | tuple[str, int]:
    """Make a canned reply."""
    user = auth.signed_in()
    access.membership_in(user, account_id)
    try:
        new = validation.body(CannedReplyFields)
        reply = create_canned_reply(account_id, new.shortcut, new.content)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, None)), 422
    return answer(presenters.canned_reply(reply), 201, page_of(account_id))


@bp.post("/canned-replies/<id:reply_id>")
def change(reply_id: int) -> Response | tuple[str, int]:
    """Change a canned reply."""
    user = auth.signed_in()
    reply = access.canned_reply_for(user, reply_id)
    account_id = reply.account_id
    try:
        new = validation.body(CannedReplyFields)
        change_canned_reply(reply, new.shortcut, new.content)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, reply_id)), 422
    return answer(presenters.canned_reply(reply), 200, page_of(account_id))


@bp.post("/canned-replies/<id:reply_id>/delete")
def remove(reply_id: int) -> Response:
    """Delete a canned reply."""
    reply = access.canned_reply_for(auth.signed_in(), reply_id)
    account_id = reply.account_id
    validation.body(NoFields)
    delete_canned_reply(reply)
    return done(page_of(account_id))


def page_of(account_id: int) -> str:
    return url_for("canned_reply.several", account_id=account_id)


def page(user: User, account_id: int, refused: Refusal | None = None) -> str:
    cursor = fresh_cursor(account_id)
    return settings_page(
        "manage/canned_replies.html",
        user,
        account_id,
        cursor=cursor,
        replies=replies_of(account_id),
        variables=VARIABLES,
        content_limit=CONTENT_LIMIT,
        shortcut_limit=SHORTCUT_LIMIT,
        refused=refused,
    )


def replies_of(account_id: int) -> list[CannedReply]:
    query = select(CannedReply).where(CannedReply.account_id == account_id)
    return list(db.session.scalars(query.order_by(CannedReply.shortcut)))
