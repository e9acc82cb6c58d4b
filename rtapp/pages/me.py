from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import url_for
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp.errors import Forbidden
from rtapp.events import presenters
from rtapp.models import User

bp = Blueprint("me", __name__)


@bp.get("/")
def home() -> Response:
    """Redirect to the inbox of the user's first account."""
    memberships = auth.signed_in().memberships
    if not memberships:
        raise Forbidden("You are a member of no account now; what you have written stays there.")
    return redirect(url_for("conversation.several", account_id=memberships[0].account_id))


@bp.get("/me")
def me() -> Response:
    return described(auth.signed_in())


def described(user: User) -> Response:
    """The user as JSON. The header X-CSRF-Token has the token of the browser's session: a page that
    is older than this session goes on with it."""
    response = jsonify(presenters.me(user))
    response.headers.extend(csrf_header())
    return response


def csrf_header() -> dict[str, str]:
    """X-CSRF-Token, for a request of a browser's session."""
    token = auth.csrf_token()
    return {"X-CSRF-Token": token} if token is not None else {}
