"""The first page of a fresh server: it makes the account, its administrator and an inbox."""

from typing import Annotated

from flask import Blueprint
from flask import current_app
from flask import redirect
from flask import render_template
from flask import request
from flask import url_for
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import first_run
from rtapp import validation
from rtapp.config import NAME_LIMIT
from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import Forbidden
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.services.set_up import AlreadySetUp
from rtapp.services.set_up import set_up
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import Name
from rtapp.validation import NewPassword
from rtapp.validation import Text

from .management import Refusal
from .management import refusal
from .me import described

bp = Blueprint("setup", __name__)

NO_CODE = (
    "This needs the link that the server printed at its start; "
    "`flask --app app setup link` prints it again."
)

ShortName = Annotated[Name, Field(max_length=NAME_LIMIT)]


class FirstAccount(Body):
    account: ShortName
    name: ShortName
    email: Annotated[Address, Field(max_length=254)]
    password: NewPassword
    code: Text = ""


@bp.get("/setup")
def page() -> Response | tuple[str, int]:
    """The form. The code of the link goes into the session and out of the address, so that no
    referrer has it."""
    if not first_run.is_needed():
        return redirect(url_for("me.home"))
    if first_run.is_code(request.args.get("code", "")):
        first_run.allow()
        return redirect(url_for("setup.page"), 303)
    if not first_run.is_allowed() and not wants_html():
        raise Forbidden(NO_CODE)
    return form()


@bp.post("/setup")
def create() -> Response | tuple[str, int]:
    """Make the account, and sign its administrator in."""
    try:
        new = validation.body(FirstAccount)
        if not first_run.is_needed():
            raise AlreadySetUp
        if not first_run.is_allowed() and not first_run.is_code(new.code):
            raise Forbidden(NO_CODE)
        user = set_up(new.account, new.name, new.email, new.password)
    except Unprocessable as problem:
        if not first_run.is_needed():
            raise AlreadySetUp from problem
        return form(refusal(problem, None))
    auth.sign_in(user)
    return redirect(url_for("me.home"), 303) if wants_html() else described(user)


def form(refused: Refusal | None = None) -> tuple[str, int]:
    """The form; without the code only what to do. Over HTTP the browser of a production server
    drops the session's cookie, so the page says that."""
    allowed = first_run.is_allowed()
    page = render_template(
        "setup.html",
        allowed=allowed,
        has_code="code" in request.args,
        needs_https=current_app.config["PRODUCTION"] and not request.is_secure,
        refused=refused,
        name_limit=NAME_LIMIT,
        password_length=PASSWORD_LENGTH,
        password_limit=PASSWORD_LIMIT,
    )
    return page, 403 if not allowed else 422 if refused else 200
