from typing import Annotated
from typing import Any
from typing import Literal

from flask import Blueprint
from flask import jsonify
from flask import render_template
from flask import url_for
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import queries
from rtapp import validation
from rtapp.config import ID_LIMIT
from rtapp.config import PAGE_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.config import QUERY_LIMIT
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.events import visitor_presenters
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import User
from rtapp.validation import Text

from .cursor import cursor_of
from .unread import unread_of

bp = Blueprint("conversation", __name__)


class ListParameters(BaseModel):
    """Which conversations, and which page of them."""

    model_config = ConfigDict(extra="forbid")

    status: Literal["open", "pending", "snoozed", "resolved"] | None = None
    assignee: Annotated[str, Field(pattern=r"^(me|none|[1-9][0-9]{0,8})$")] | None = None
    inbox: Annotated[int, Field(ge=1, le=ID_LIMIT)] | None = None
    q: Annotated[Text, Field(max_length=QUERY_LIMIT)] | None = None
    before: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE


class ThreadParameters(BaseModel):
    """From where on back a thread is shown: a message's id."""

    before: Annotated[int, Field(ge=1, le=ID_LIMIT)] | None = None


@bp.get("/accounts/<id:account_id>/conversations")
def several(account_id: int) -> Response | str:
    """The conversations of the account that the user sees, as the inbox or as JSON."""
    user = auth.signed_in()
    membership = access.membership_in(user, account_id)
    asked = validation.parameters(ListParameters).model_dump()
    cursor = cursor_of(account_id)
    page = queries.conversations(membership, **asked)
    if wants_html():
        return inbox(user, account_id, cursor, page, asked)
    return jsonify(
        conversations=[presenters.conversation(row) for row in page.conversations],
        cursor=cursor,
        next_before=page.next_before,
    )


@bp.get("/conversations/<id:conversation_id>")
def one(conversation_id: int) -> Response | str:
    """One conversation: beside the list and with its thread, or as JSON. Visitors have no page."""
    asker = auth.asking()
    conversation = access.conversation_for(asker, conversation_id)
    account_id = conversation.account_id
    cursor = cursor_of(account_id)
    db.session.refresh(conversation)  # as it is now, after the cursor was read
    if isinstance(asker, Contact):
        last = queries.messages(conversation, limit=1, public=True).messages
        shown = visitor_presenters.conversation(conversation, last[0] if last else None)
        return jsonify(conversation=shown, cursor=cursor)
    if wants_html():
        page = queries.conversations(access.membership_in(asker, account_id))
        return inbox(asker, account_id, cursor, page, {}, conversation)
    return jsonify(conversation=presenters.conversation(conversation), cursor=cursor)


def inbox(
    user: User,
    account_id: int,
    cursor: str,
    page: queries.ConversationPage,
    asked: dict[str, Any],
    conversation: Conversation | None = None,
) -> str:
    older = None
    if page.next_before is not None:
        asked = {**asked, "before": page.next_before}
        older = url_for(".several", account_id=account_id, **asked)
    return render_template(
        "inbox.html",
        account=db.session.get_one(Account, account_id),
        me=user,
        cursor=cursor,
        conversations=[presenters.conversation(row) for row in page.conversations],
        older_conversations=older,
        unread=unread_of(user.id, account_id, [row.id for row in page.conversations]),
        **(thread(conversation) if conversation is not None else {}),
    )


def thread(conversation: Conversation) -> dict[str, Any]:
    before = validation.parameters(ThreadParameters).before
    page = queries.messages(conversation, before=before)
    older = None
    if page.next_before is not None:
        older = url_for(".one", conversation_id=conversation.id, before=page.next_before)
    return {
        "conversation": presenters.conversation(conversation),
        "messages": [presenters.message(row) for row in page.messages],
        "older_messages": older,
    }
