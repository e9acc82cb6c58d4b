from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import render_template
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
from rtapp.errors import Forbidden
from rtapp.errors import wants_html
from rtapp.events import presenters

from .cursor import cursor_of

bp = Blueprint("revision", __name__)


class Parameters(BaseModel):
    """The part of the earlier texts: before a version, else the newest."""

    model_config = ConfigDict(extra="forbid")

    before: Annotated[int, Field(ge=1, le=ID_LIMIT)] | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE


@bp.get("/messages/<id:message_id>/revisions")
def several(message_id: int) -> Response | str:
    """A message's earlier texts, the newest first, as a page or as JSON. For administrators."""
    user = auth.signed_in()
    message = access.message_for(user, message_id)
    if not access.may_read_revisions(user, message):
        raise Forbidden("Only an administrator may read the earlier texts of a message.")
    parameters = validation.parameters(Parameters)
    cursor = cursor_of(message.account_id)
    page = queries.revisions(message, **parameters.model_dump())
    revisions = [presenters.revision(row) for row in page.revisions]
    if wants_html():
        shown = {"message": presenters.message(message), "revisions": revisions}
        return render_template("revisions.html", **shown, next_before=page.next_before)
    return jsonify(revisions=revisions, cursor=cursor, next_before=page.next_before)
