from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import request
from flask import url_for
from pydantic import ConfigDict
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import queries
from rtapp import validation
from rtapp.config import PAGE_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.errors import wants_html
from rtapp.events import customer_presenters
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Customer
from rtapp.services.merge_conversations import merges_into
from rtapp.validation import Time

from . import inbox
from .cursor import cursor_of
from .view import ThreadView
from .view import View

bp = Blueprint("conversation", __name__)


class ListParameters(View):
    """The filter of conversations, and the page of the list."""

    model_config = ConfigDict(extra="forbid")

    before: str | None = None
    start: Time | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE


@bp.get("/accounts/<id:account_id>/conversations")
def several(account_id: int) -> Response | str:
    """The conversations of the account that the user sees, as the inbox page or as JSON."""
    user = auth.signed_in()
    membership = access.membership_in(user, account_id)
    parameters = validation.parameters(ListParameters)
    if wants_html():
        parameters = parameters.on_page()
    cursor = cursor_of(account_id)
    page = queries.conversations(membership, **parameters.model_dump())
    if wants_html():
        return inbox.render(user, account_id, cursor, parameters, page)
    return jsonify(
        conversations=[presenters.conversation(row) for row in page.conversations],
        hits=inbox.hits(page),
        cursor=cursor,
        next_before=page.next_before,
    )


@bp.get("/conversations/<id:conversation_id>")
def one(conversation_id: int) -> Response | str:
    """One conversation, as the inbox page with its thread or as JSON. For customers only JSON. Of a
    merged one, that which has its messages."""
    principal = auth.current_principal()
    conversation = access.conversation_for(principal, conversation_id)
    if conversation.id != conversation_id and wants_html():
        there = url_for("conversation.one", conversation_id=conversation.id)
        return redirect(f"{there}?{request.query_string.decode()}".removesuffix("?"))
    account_id = conversation.account_id
    cursor = cursor_of(account_id)
    db.session.refresh(conversation)  # the row must not be older than the cursor
    if isinstance(principal, Customer):
        last = queries.messages(conversation, limit=1, public=True).messages
        shown = customer_presenters.conversation(conversation, last[0] if last else None)
        return jsonify(conversation=shown, merges=[], cursor=cursor)
    if wants_html():
        parameters = validation.parameters(ThreadView)
        view = View(**parameters.model_dump()).on_page()
        if parameters.part == "thread":
            return inbox.render_thread(principal, cursor, view, conversation)
        page = queries.conversations(
            access.membership_in(principal, account_id), **view.model_dump()
        )
        return inbox.render(principal, account_id, cursor, view, page, conversation)
    return jsonify(
        conversation=presenters.conversation(conversation),
        merges=[presenters.conversation_merge(row) for row in merges_into(conversation)],
        cursor=cursor,
    )
