"""The user's own name and password, and the page on which they change them."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import request
from flask import url_for
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.models import User
from rtapp.services.change_password import change_password
from rtapp.services.rename_user import rename_user
from rtapp.validation import Body
from rtapp.validation import Name
from rtapp.validation import NewPassword

from .management import Refusal
from .management import own_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("profile", __name__)


class ProfileFields(Body):
    name: Annotated[Name, Field(max_length=200)]


class OwnPassword(Body):
    """The new `password`, and the present one."""

    present_password: Annotated[str, Field(min_length=1, max_length=PASSWORD_LIMIT)]
    password: NewPassword


@bp.get("/settings/profile")
def own() -> Response | str:
    """The user's own name and address, as a page or as JSON."""
    user = auth.signed_in()
    return page(user) if wants_html() else jsonify(presenters.profile(user))


@bp.post("/settings/profile")
def change() -> Response | tuple[str, int]:
    """Change the user's own name."""
    user = auth.signed_in()
    try:
        rename_user(user, validation.body(ProfileFields).name)
    except Unprocessable as problem:
        return page(user, refusal(problem, user.id)), 422
    return answer(presenters.profile(user), 200, url_for("profile.own"))


@bp.post("/settings/password")
@ratelimits.own_password
def change_own_password() -> Response | tuple[str, int]:
    """Change the user's own password, and sign them out everywhere else. From a browser only."""
    user = auth.signed_in()
    try:
        new = validation.body(OwnPassword)
        session_id = auth.session_id()
        refuse_wrong(user, new.present_password)
        change_password(user, new.password, keep=session_id)
    except Unprocessable as problem:
        return page(user, refused_password=refusal(problem, user.id)), 422
    ratelimits.give_back()
    return done(url_for("profile.own", changed="password"))


def refuse_wrong(user: User, password: str) -> None:
    """Raises Unprocessable unless it is the user's present password."""
    if auth.user_of(user.email, password) is None:
        raise Unprocessable(
            "The present password is wrong. Nothing was changed.",
            errors={"present_password": ["is wrong"]},
        )


def page(
    user: User, refused: Refusal | None = None, refused_password: Refusal | None = None
) -> str:
    return settings_page(
        "manage/profile.html",
        user,
        None,
        cursor=own_cursor(user),
        changed=request.args.get("changed") == "password",
        password_length=PASSWORD_LENGTH,
        password_limit=PASSWORD_LIMIT,
        refused=refused,
        refused_password=refused_password,
    )
