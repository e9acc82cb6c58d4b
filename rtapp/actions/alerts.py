from typing import Literal

from flask import url_for
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.extensions import db
from rtapp.validation import Body

from .base import answer
from .base import bp


class Choice(Body):
    alerts: Literal["inboxes", "mine_and_unassigned", "mine"]


@bp.post("/accounts/<id:account_id>/alerts")
def choose_alerts(account_id: int) -> Response:
    """Choose the conversations whose new messages the page alerts the user of."""
    membership = access.membership_in(auth.signed_in(), account_id)
    membership.alerts = validation.body(Choice).alerts
    db.session.commit()
    page = url_for("conversation.several", account_id=account_id)
    return answer({"alerts": membership.alerts}, 200, page)
