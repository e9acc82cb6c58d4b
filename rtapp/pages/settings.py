from flask import Blueprint
from flask import redirect
from flask import url_for
from werkzeug.wrappers import Response

from rtapp import auth

from .management import OWN
from .management import links

bp = Blueprint("settings", __name__)


@bp.get("/accounts/<id:account_id>/settings")
def of_account(account_id: int) -> Response:
    """Redirect to the first of the account's settings pages that the user may open."""
    return redirect(links(auth.signed_in(), account_id)[0].url)


@bp.get("/settings")
def of_user() -> Response:
    """Redirect to the first of the user's own settings pages."""
    auth.signed_in()
    return redirect(url_for(OWN[0].endpoint))
