"""The second factor: asked for at sign-in, and on the user's own page of it."""

from collections.abc import Callable
from typing import Annotated
from typing import Any
from typing import TypeVar

from flask import Blueprint
from flask import current_app
from flask import jsonify
from flask import redirect
from flask import render_template
from flask import session
from flask import url_for
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import clock
from rtapp import ratelimits
from rtapp import totp
from rtapp import validation
from rtapp.answers import done
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import Unauthorized
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import SecondFactor
from rtapp.models import User
from rtapp.services.change_second_factor import WRONG_CODE
from rtapp.services.change_second_factor import has_second_factor
from rtapp.services.change_second_factor import recovery_codes_left
from rtapp.services.change_second_factor import renew_recovery_codes
from rtapp.services.change_second_factor import requiring_account
from rtapp.services.change_second_factor import turn_off_second_factor
from rtapp.services.change_second_factor import turn_on_second_factor
from rtapp.services.verify_code import secret_of
from rtapp.services.verify_code import verify_code
from rtapp.validation import Body
from rtapp.validation import Text

from .login import begin
from .management import Refusal
from .management import own_cursor
from .management import refusal
from .management import settings_page
from .me import csrf_header
from .profile import refuse_wrong

bp = Blueprint("second_factor", __name__)


class Code(Body):
    code: Annotated[Text, Field(min_length=1, max_length=40)]


class CodeAndPassword(Code):
    """With the user's present password: a browser that is left open has none."""

    present_password: Annotated[str, Field(min_length=1, max_length=PASSWORD_LIMIT)]


Given = TypeVar("Given", bound=Code)


def submitted(model: type[Given]) -> Callable[[], Given]:
    """The body, as a function that raises Unprocessable for one that is not valid: then the user's
    page is shown again. Raises BadRequest, for every user."""
    try:
        given = validation.body(model)
    except Unprocessable as error:
        problem = error

        def refuse() -> Given:
            raise problem

        return refuse
    return lambda: given


# At sign-in, between the password and the session


@bp.get("/login/second-factor")
def ask() -> Response | str:
    """The page that asks for the code; where the account requires a second factor and the user has
    none, the page that sets it up. A user who is signed in goes home."""
    if wants_html() and auth.user_if_signed_in() is not None:
        return redirect(url_for("me.home"))
    try:
        user, _ = auth.awaited_user()
    except Unauthorized:
        return password_first()
    return sign_in_page(user)


@bp.post("/login/second-factor")
@ratelimits.codes
def sign_in() -> Response | str | tuple[str, int]:
    """Sign in with the code. The code that sets the second factor up signs in too."""
    given = submitted(Code)
    try:
        user, next = auth.awaited_user()
    except Unauthorized:
        return password_first()
    codes: list[str] = []
    try:
        code = given().code
        if not has_second_factor(user.id):
            codes = turn_on_second_factor(user, salt(), code)
        elif not verify_code(user.id, code):
            db.session.rollback()
            raise wrong(user)
        else:
            db.session.commit()
    except (Unauthorized, Unprocessable) as problem:
        return sign_in_page(user, refusal(problem, None)), problem.status
    ratelimits.give_back()
    user, next = auth.awaited_user(lock=True)
    started = begin(user, next)
    if wants_html():
        return recovery_page(codes, next or url_for("me.home")) if codes else started
    response: Response = jsonify(**presenters.me(user), recovery_codes=codes)
    response.headers.extend(csrf_header())
    return response


def password_first() -> Response:
    """To the login page, which says why. Raises the present Unauthorized again for JSON."""
    if not wants_html():
        raise
    return redirect(url_for("login.page", late="1"))


def wrong(user: User) -> Unauthorized:
    current_app.logger.warning("A code of user %s was refused", user.id)
    return Unauthorized(f"The code {WRONG_CODE}.", errors={"code": [WRONG_CODE]})


def sign_in_page(user: User, refused: Refusal | None = None) -> str:
    has = has_second_factor(user.id)
    return render_template(
        "second_factor/ask.html",
        refused=refused,
        requiring=None if has else requiring_account(user.id),
        **({} if has else new_secret(user)),
    )


# The user's own page


@bp.get("/settings/second-factor")
def own() -> Response | str:
    """Whether the user signs in with a second factor; if not, a secret to set it up."""
    user = browser_user()
    return page(user) if wants_html() else jsonify(state_of(user))


@bp.post("/settings/second-factor")
@ratelimits.codes
def turn_on() -> Response | str | tuple[str, int]:
    """Turn it on with a code of the secret that the page shows, and the user's present password.
    The answer has the recovery codes, once."""
    given = submitted(CodeAndPassword)
    user = browser_user()
    try:
        body = given()
        refuse_wrong(user, body.present_password)
        codes = turn_on_second_factor(user, salt(), body.code)
    except Unprocessable as problem:
        return page(user, refusal(problem, None)), 422
    session.pop("salt")
    return recovery_codes(codes)


@bp.post("/settings/second-factor/recovery-codes")
@ratelimits.codes
def renew() -> Response | str | tuple[str, int]:
    """New recovery codes in place of all earlier ones."""
    given = submitted(Code)
    user = browser_user()
    try:
        codes = renew_recovery_codes(user, given().code)
    except Unprocessable as problem:
        return page(user, refusal(problem, 1)), 422
    return recovery_codes(codes)


@bp.post("/settings/second-factor/delete")
@ratelimits.codes
def turn_off() -> Response | tuple[str, int]:
    """Turn it off, unless an account requires it."""
    given = submitted(Code)
    user = browser_user()
    try:
        turn_off_second_factor(user, given().code)
    except Unprocessable as problem:
        return page(user, refusal(problem, 2)), 422
    ratelimits.give_back()
    return done(url_for("second_factor.own"))


def browser_user() -> User:
    auth.session_id()
    return auth.signed_in()


def recovery_codes(codes: list[str]) -> Response | str:
    ratelimits.give_back()
    if wants_html():
        return recovery_page(codes, url_for("second_factor.own"))
    return jsonify(recovery_codes=codes)


def recovery_page(codes: list[str], next: str) -> str:
    return render_template("second_factor/recovery_codes.html", codes=codes, next=next)


def page(user: User, refused: Refusal | None = None) -> str:
    cursor = own_cursor(user)
    state = state_of(user, page=True)
    return settings_page(
        "manage/second_factor.html", user, None, cursor=cursor, refused=refused, **state
    )


def state_of(user: User, *, page: bool = False) -> dict[str, Any]:
    factor = db.session.get(SecondFactor, user.id, populate_existing=True)
    state: dict[str, Any] = {
        "since": clock.rfc3339(factor.created_at) if factor is not None else None,
        "recovery_codes_left": recovery_codes_left(user.id),
        "required_by": requiring_account(user.id),
    }
    shown = new_secret(user) if factor is None else {}
    names = ("secret", "uri", "image") if page else ("secret", "uri")
    return state | {name: shown.get(name) for name in names}


def salt() -> str:
    """Of the secret that this browser is shown, until it is set up. The cookie alone has no secret:
    it is derived with SECRET_KEY."""
    if "salt" not in session:
        session["salt"] = totp.make_salt()
    text: str = session["salt"]
    return text


def new_secret(user: User) -> dict[str, str]:
    secret = secret_of(user.id, salt())
    uri = totp.uri_of(secret, user.email)
    return {"secret": secret, "uri": uri, "image": totp.image_of(uri)}
