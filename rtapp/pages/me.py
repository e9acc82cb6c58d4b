from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import url_for
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp.errors import NotFound
from rtapp.events import presenters

bp = Blueprint("me", __name__)


@bp.get("/")
def home() -> Response:
    """Redirect to the inbox of the user's first account."""
    memberships = auth.signed_in().memberships
    if not memberships:
        raise NotFound
    return redirect(url_for("conversation.several", account_id=memberships[0].account_id))


@bp.get("/me")
def me() -> Response:
    return jsonify(presenters.me(auth.signed_in()))
