from flask import url_for
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.services.read_notifications import read_all_notifications
from rtapp.services.read_notifications import read_notification
from rtapp.validation import Body

from .base import bp
from .base import done
from .base import thread_page


class Nothing(Body):
    """An empty body."""


@bp.post("/notifications/<id:notification_id>/read")
def read_one(notification_id: int) -> Response:
    user = auth.signed_in()
    notification = access.notification_for(user, notification_id)
    validation.body(Nothing)
    read_notification(user, notification)
    return done(thread_page(notification.conversation_id))


@bp.post("/accounts/<id:account_id>/notifications/read")
def read_all(account_id: int) -> Response:
    user = auth.signed_in()
    access.membership_in(user, account_id)
    validation.body(Nothing)
    read_all_notifications(user, account_id)
    return done(url_for("conversation.several", account_id=account_id))
