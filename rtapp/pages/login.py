import re
from typing import Annotated

from flask import Blueprint
from flask import current_app
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from pydantic import AfterValidator
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import SecondFactorNeeded
from rtapp.errors import Unauthorized
from rtapp.errors import wants_html
from rtapp.models import User
from rtapp.services.change_second_factor import has_second_factor
from rtapp.services.change_second_factor import requiring_account
from rtapp.text import not_blank
from rtapp.validation import Body
from rtapp.validation import Text

from .me import described

bp = Blueprint("login", __name__)

# Browsers read a backslash as a slash, and a path that begins with two slashes as another site.
LOCAL_PATH = re.compile(r"/([^/\\\x00-\x1f][^\\\x00-\x1f]*)?")

WRONG = "The email address or the password is wrong."
LATE = "Sign in with your password, then enter the code within 10 minutes."


class Credentials(Body):
    email: Annotated[Text, Field(max_length=254), AfterValidator(not_blank)]
    password: Annotated[str, Field(min_length=1, max_length=PASSWORD_LIMIT)]
    next: Text = ""


@bp.get("/login")
def page() -> str:
    late = LATE if "late" in request.args else None
    return login_page(late, next=request.args.get("next", ""))


@bp.post("/login")
@ratelimits.signing_in
def sign_in() -> Response | tuple[str, int]:
    credentials = validation.body(Credentials)
    user = auth.user_of(credentials.email, credentials.password)
    if user is None and wants_html():
        return login_page(WRONG, credentials.email, credentials.next), 401
    if user is None:
        raise Unauthorized(WRONG)
    try:
        return admit(user, credentials.next)
    finally:
        ratelimits.give_back()  # last: meanwhile the user's row is locked


def admit(user: User, next: str = "") -> Response:
    """Sign in a user who has proved who they are, and lead a browser to `next` of this site. The
    caller has locked the user's row.

    With a second factor, and in an account that requires one, that comes first: raises
    SecondFactorNeeded for a client that wants JSON.
    """
    if not (has_second_factor(user.id) or requiring_account(user.id)):
        return begin(user, next)
    auth.await_code(user, local(next))
    if wants_html():
        return redirect(url_for("second_factor.ask"), 303)
    raise SecondFactorNeeded


def begin(user: User, next: str) -> Response:
    """Sign in a user of whom nothing is missing."""
    auth.sign_in(user)
    return redirect(local(next) or url_for("me.home"), 303) if wants_html() else described(user)


@bp.post("/logout")
def sign_out() -> Response:
    auth.sign_out()
    return redirect(url_for("login.page"), 303) if wants_html() else Response(status=204)


def login_page(problem: str | None = None, email: str = "", next: str = "") -> str:
    demo = current_app.config["DEMO"]
    return render_template("login.html", problem=problem, email=email, next=local(next), demo=demo)


def local(path: str) -> str:
    """`path` if it is on this site, else "". Prevents an open redirect."""
    return path if LOCAL_PATH.fullmatch(path) else ""
