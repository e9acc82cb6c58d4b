"""A user who has forgotten the password asks for a link with which to set a new one. Nobody learns
by it whether an address has a user."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import render_template
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import ratelimits
from rtapp import validation
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.services.enqueue_mail import ask_for_password_link
from rtapp.services.enqueue_mail import sends_mail
from rtapp.validation import Address
from rtapp.validation import Body

from .management import Refusal
from .management import refusal

bp = Blueprint("forgotten_password", __name__)

ASKED = "If this address has an account here, a mail with a link is on its way to it."


class Asked(Body):
    email: Annotated[Address, Field(max_length=254)]


@bp.get("/forgot")
def page() -> str:
    return forgot_page()


@bp.post("/forgot")
@ratelimits.asking
def ask() -> Response | tuple[str, int]:
    """Have a link mailed with which the user of this address sets a new password."""
    try:
        email = validation.body(Asked).email
    except Unprocessable as problem:
        return forgot_page(refusal(problem, None)), 422
    if wants_html() and not sends_mail():
        return forgot_page(), 403
    ask_for_password_link(email)
    if wants_html():
        return forgot_page(asked=ASKED), 202
    response = jsonify(detail=ASKED)
    response.status_code = 202
    return response


def forgot_page(refused: Refusal | None = None, asked: str = "") -> str:
    return render_template(
        "forgotten_password.html", sends_mail=sends_mail(), refused=refused, asked=asked
    )
