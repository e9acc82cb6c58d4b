"""An account's own settings: its name, and the page on which administrators change it."""

from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import url_for
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import answer
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import User
from rtapp.services.rename_account import rename_account
from rtapp.services.require_second_factor import require_second_factor
from rtapp.validation import Body
from rtapp.validation import Name

from .management import Refusal
from .management import fresh_cursor
from .management import refusal
from .management import settings_page

bp = Blueprint("account", __name__)

MANAGE = "change the account"


class AccountFields(Body):
    name: Annotated[Name, Field(max_length=200)]


class Requirement(Body):
    required: bool


@bp.get("/accounts/<id:account_id>/settings/account")
def one(account_id: int) -> Response | str:
    """The account, as a page or as JSON."""
    user = auth.signed_in()
    account = changeable_account(user, account_id)
    return page(user, account_id) if wants_html() else jsonify(presenters.account(account))


@bp.post("/accounts/<id:account_id>/settings/account")
def change(account_id: int) -> Response | tuple[str, int]:
    """Rename the account."""
    user = auth.signed_in()
    account = changeable_account(user, account_id)
    try:
        rename_account(account, validation.body(AccountFields).name)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, account_id)), 422
    here = url_for("account.one", account_id=account_id)
    return answer(presenters.account(account), 200, here)


@bp.post("/accounts/<id:account_id>/second-factor")
def require(account_id: int) -> Response | tuple[str, int]:
    """Require a second factor of every member, or no longer."""
    user = auth.signed_in()
    account = changeable_account(user, account_id)
    try:
        require_second_factor(account, user, validation.body(Requirement).required)
    except Unprocessable as problem:
        return page(user, account_id, refusal(problem, None)), 422
    here = url_for("account.one", account_id=account_id)
    return answer({"required": account.requires_second_factor}, 200, here)


def changeable_account(user: User, account_id: int) -> Account:
    access.refuse_agent(access.membership_in(user, account_id), MANAGE)
    return db.session.get_one(Account, account_id)


def page(user: User, account_id: int, refused: Refusal | None = None) -> str:
    cursor = fresh_cursor(account_id)
    return settings_page("manage/account.html", user, account_id, cursor=cursor, refused=refused)
