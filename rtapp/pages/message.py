from typing import Annotated

from flask import Blueprint
from flask import jsonify
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
from rtapp.events import customer_presenters
from rtapp.events import presenters
from rtapp.models import Customer

from .cursor import cursor_of

bp = Blueprint("message", __name__)

MessageId = Annotated[int, Field(ge=0, le=ID_LIMIT)]


class Parameters(BaseModel):
    """The part of a thread: before or after a message, else the newest."""

    model_config = ConfigDict(extra="forbid")

    before: MessageId | None = None
    after: MessageId | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE


@bp.get("/conversations/<id:conversation_id>/messages")
def several(conversation_id: int) -> Response:
    """A page of the thread, oldest first; for its customer, only the public messages."""
    principal = auth.current_principal()
    public = isinstance(principal, Customer)
    conversation = access.conversation_for(principal, conversation_id)
    parameters = validation.parameters(Parameters)
    cursor = cursor_of(conversation.account_id)
    page = queries.messages(conversation, public=public, **parameters.model_dump())
    present = customer_presenters.message if public else presenters.message
    return jsonify(
        messages=[present(row) for row in page.messages],
        cursor=cursor,
        next_before=page.next_before,
    )
