"""What every action has in common: its blueprint, and the form of its answer."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import url_for
from werkzeug.wrappers import Response

from rtapp.errors import Forbidden
from rtapp.errors import wants_html
from rtapp.models import Customer
from rtapp.models import Principal

bp = Blueprint("actions", __name__)


def answer(thing: Mapping[str, Any], status: int, page: str) -> Response:
    """The thing as JSON; for a form without JavaScript, 303 back to the page it stands on."""
    if wants_html():
        return redirect(page, 303)
    response = jsonify(thing)
    response.status_code = status
    return response


def done(page: str) -> Response:
    """204, where there is nothing to show; for a form, 303 as above."""
    return redirect(page, 303) if wants_html() else Response(status=204)


def thread_page(conversation_id: int) -> str:
    return url_for("conversation.one", conversation_id=conversation_id)


def refuse_private(principal: Principal, private: bool) -> None:
    """Raises Forbidden if a visitor asks for what only the team may do."""
    if private and isinstance(principal, Customer):
        raise Forbidden("Private notes are the team's; send it with private false.")
