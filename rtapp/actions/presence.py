from typing import Literal

from flask import url_for
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.services.choose_status import choose_status
from rtapp.validation import Body

from .base import answer
from .base import bp


class Choice(Body):
    status: Literal["online", "busy", "offline"]


@bp.post("/accounts/<id:account_id>/presence")
def choose(account_id: int) -> Response:
    """Set the user's presence status for the account. `offline` hides the user."""
    user = auth.signed_in()
    membership = access.membership_in(user, account_id)
    status = validation.body(Choice).status
    choose_status(membership, status)
    changed, left = ({}, [user.id]) if status == "offline" else ({str(user.id): status}, [])
    page = url_for("conversation.several", account_id=account_id)
    return answer({"changed": changed, "left": left}, 200, page)
