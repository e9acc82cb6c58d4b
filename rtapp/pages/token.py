"""The user's own tokens: a list, and the page on which they make and revoke them."""

from typing import Annotated
from typing import Literal

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import AfterValidator
from pydantic import Field
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import done
from rtapp.config import TOKEN_LIFETIME
from rtapp.config import TOKEN_NAME_LIMIT
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Token
from rtapp.models import User
from rtapp.services.change_tokens import NewToken
from rtapp.services.change_tokens import create_token
from rtapp.services.change_tokens import revoke_token
from rtapp.text import not_blank
from rtapp.text import single_spaced
from rtapp.validation import Body
from rtapp.validation import OrNone
from rtapp.validation import Text

from .management import NoFields
from .management import Refusal
from .management import own_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("token", __name__)

DAY = 24 * 60 * 60  # s
# What the form offers: seconds, and their words.
LIFETIMES = ((7 * DAY, "In a week"), (30 * DAY, "In 30 days"), (90 * DAY, "In 90 days"),
             (365 * DAY, "In a year"))  # fmt: skip

TokenName = Annotated[
    Text,
    AfterValidator(not_blank),
    AfterValidator(single_spaced),
    Field(max_length=TOKEN_NAME_LIMIT),
]
Lifetime = Annotated[int, Field(ge=1, le=TOKEN_LIFETIME)]


class TokenFields(Body):
    """`expires_in`: seconds; None for a token without an end."""

    name: TokenName
    scope: Literal["read", "write", "admin"] = "write"
    expires_in: Annotated[Lifetime | None, OrNone] = None


@bp.get("/settings/tokens")
def several() -> Response | str:
    """The user's own tokens, without their texts, as a page or as JSON."""
    user = auth.signed_in()
    return page(user) if wants_html() else jsonify(tokens=tokens_of(user))


@bp.post("/settings/tokens")
def create() -> Response | tuple[str, int]:
    """Make a token. The answer alone has its text, in `token`. From a browser only: a token whose
    expiry is near would make one without."""
    user = auth.signed_in()
    try:
        new = validation.body(TokenFields)
        auth.session_id()
        made = create_token(user, new.name, new.scope, new.expires_in, published=True)
    except Unprocessable as problem:
        return page(user, refused=refusal(problem, None)), 422
    if wants_html():
        return page(user, made=made), 201  # no redirect: nothing has the text later
    response = jsonify({**presenters.token(made.row), "token": made.text})
    response.status_code = 201
    return response


@bp.post("/settings/tokens/<id:token_id>/revoke")
def revoke(token_id: int) -> Response:
    """End one of the user's own tokens, and the streams that were opened with it."""
    token = access.token_for(auth.signed_in(), token_id)
    validation.body(NoFields)
    revoke_token(token)
    return done(url_for("token.several"))


def tokens_of(user: User) -> list[dict[str, object]]:
    """The user's tokens, the newest first."""
    query = select(Token).where(Token.user_id == user.id).order_by(Token.id.desc())
    return [presenters.token(row) for row in db.session.scalars(query)]


def page(user: User, made: NewToken | None = None, refused: Refusal | None = None) -> str:
    cursor = "" if made else own_cursor(user)  # loaded again, it would not have the text
    return settings_page(
        "manage/tokens.html",
        user,
        None,
        cursor=cursor,
        tokens=tokens_of(user),
        made=made,
        lifetimes=LIFETIMES,
        name_limit=TOKEN_NAME_LIMIT,
        refused=refused,
    )
