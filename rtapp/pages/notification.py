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
from rtapp.config import PAGE_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.events import presenters
from rtapp.validation import RowId

from .cursor import cursor_of

bp = Blueprint("notification", __name__)


class Parameters(BaseModel):
    """The filter of notifications, and the page of the list."""

    model_config = ConfigDict(extra="forbid")

    unread: bool = False
    before: RowId | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE


@bp.get("/accounts/<id:account_id>/notifications")
def several(account_id: int) -> Response:
    """The user's notifications, newest first, of conversations that the user still sees."""
    user = auth.signed_in()
    access.membership_in(user, account_id)
    parameters = validation.parameters(Parameters)
    cursor = cursor_of(account_id)
    page = queries.notifications(user, account_id, **parameters.model_dump())
    return jsonify(
        notifications=[presenters.notification(row) for row in page.notifications],
        cursor=cursor,
        next_before=page.next_before,
    )
