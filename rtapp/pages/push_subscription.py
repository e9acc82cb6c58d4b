from flask import Blueprint
from flask import current_app
from flask import jsonify
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp.extensions import db
from rtapp.models import PushSubscription

bp = Blueprint("push_subscription", __name__)


@bp.get("/push_subscription")
def own() -> Response:
    """The endpoint of this browser's push subscription, null without one, and the server's key for
    a new one, null if push notifications are not set up."""
    row = db.session.get(PushSubscription, auth.session_id())
    return jsonify(
        public_key=current_app.config["VAPID_PUBLIC_KEY"],
        endpoint=row.endpoint if row is not None else None,
    )
