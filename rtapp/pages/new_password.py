"""Where a password link leads: its user sets a new password, and is signed in."""

from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import render_template
from flask import url_for
from werkzeug.wrappers import Response

from rtapp import validation
from rtapp.clock import rfc3339
from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.errors import Gone
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.models import PasswordLink
from rtapp.models import lock_user
from rtapp.passwords import hashed_aside
from rtapp.services.change_password import use_password_link
from rtapp.services.link import link_with
from rtapp.services.link import refuse_ended
from rtapp.validation import Body
from rtapp.validation import NewPassword

from .links import GivenToken
from .links import digest_in
from .links import given
from .links import opened
from .links import used_just_now
from .login import admit
from .management import Refusal
from .management import refusal

bp = Blueprint("new_password", __name__)

OPENED = "password_link"  # the session's field for the digest of the link opened in this browser


class PasswordFields(Body):
    """`token`: not for the browser that opened the link."""

    token: GivenToken | None = None
    password: NewPassword


@bp.get("/password")
def page() -> Response | str:
    """A password link as its holder sees it, by the token of the link."""
    if (redirected := opened(OPENED)) is not None:
        return redirected
    link = open_link(digest_in(OPENED, given()))
    if wants_html():
        return password_page(link)
    return jsonify(email=link.user.email, expires_at=rfc3339(link.expires_at))


@bp.post("/password")
def set_() -> Response | tuple[str, int]:
    """Set a new password by a link. It ends all sessions and tokens of the user, who is signed in
    then, after the code of a second factor if they have one."""
    try:
        return changed(PasswordFields)
    except Gone:
        if used_just_now(PasswordLink, OPENED) is None:
            raise
        return redirect(url_for("me.home"), 303)


def changed(model: type[PasswordFields]) -> Response | tuple[str, int]:
    try:
        new = validation.body(model)
    except Unprocessable as problem:
        refused = refusal(problem, None)
        return password_page(open_link(digest_in(OPENED, None)), refused), 422
    link = open_link(digest_in(OPENED, new.token))
    use_password_link(link, hashed_aside(new.password))
    lock_user(link.user_id)
    return admit(link.user)


def open_link(digest: str | None) -> PasswordLink:
    link = link_with(PasswordLink, digest)
    refuse_ended(link)
    return link


def password_page(link: PasswordLink, refused: Refusal | None = None) -> str:
    return render_template(
        "new_password.html",
        user=link.user,
        password_length=PASSWORD_LENGTH,
        password_limit=PASSWORD_LIMIT,
        refused=refused,
    )
