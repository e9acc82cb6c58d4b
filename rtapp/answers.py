"""The form of an action's response: JSON, or a redirect for a form without JavaScript."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

from flask import jsonify
from flask import redirect
from werkzeug.wrappers import Response

from .errors import wants_html


def answer(body: Mapping[str, Any], status: int, page: str) -> Response:
    """`body` as JSON; for a form without JavaScript, a redirect (303) to its `page`."""
    if wants_html():
        return redirect(page, 303)
    response = jsonify(body)
    response.status_code = status
    return response


def done(page: str | Callable[[], str]) -> Response:
    """204 (no content); for a form, a redirect (303) to its `page`."""
    if not wants_html():
        return Response(status=204)
    return redirect(page if isinstance(page, str) else page(), 303)
