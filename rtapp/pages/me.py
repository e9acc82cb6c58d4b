from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import render_template
from flask import url_for
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp.errors import Forbidden
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.models import User

bp = Blueprint("me", __name__)


@bp.get("/")
def home() -> Response | tuple[str, int]:
    """Redirect to the inbox of the user's first account. Raises Forbidden for a member of none,
    whom a page tells so."""
    user = auth.signed_in()
    if user.memberships:
        first = user.memberships[0].account_id
        return redirect(url_for("conversation.several", account_id=first))
    if wants_html():
        return render_template("no_account.html", user=user), 403
    raise Forbidden("You are a member of no account now; what you have written stays there.")


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
