"""The blueprint of the actions, and the form of their responses."""

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


def answer(body: Mapping[str, Any], status: int, page: str) -> Response:
    """`body` as JSON; for a form without JavaScript, a redirect (303) to its `page`."""
    if wants_html():
        return redirect(page, 303)
    response = jsonify(body)
    response.status_code = status
    return response


def done(page: str) -> Response:
    """204 (no content); for a form, a redirect (303) to its `page`."""
    return redirect(page, 303) if wants_html() else Response(status=204)


def thread_page(conversation_id: int) -> str:
    return url_for("conversation.one", conversation_id=conversation_id)


def refuse_private(principal: Principal, private: bool) -> None:
    """Raises Forbidden if a customer sends something private, which only agents may."""
    if private and isinstance(principal, Customer):
        raise Forbidden("Private notes are the team's; send it with private false.")
