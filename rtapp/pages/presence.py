from flask import Blueprint
from flask import current_app
from flask import jsonify
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp.errors import Unavailable
from rtapp.events import presenters
from rtapp.realtime import presence
from rtapp.realtime.broker import Broker
from rtapp.realtime.cursor import NOWHERE

bp = Blueprint("presence", __name__)


@bp.get("/accounts/<id:account_id>/presence")
def present(account_id: int) -> Response:
    """The users present, as in the snapshot of a presence stream."""
    access.membership_in(auth.signed_in(), account_id)
    broker: Broker = current_app.extensions["broker"]
    try:
        reading = broker.for_requests.read(account_id, (), NOWHERE, [presence.GROUP])
    except (RedisError, OSError) as error:
        raise Unavailable("Who is there can't be known: Redis does not answer.") from error
    (snapshot,) = reading.snapshots
    return jsonify(**presenters.present(snapshot.present), cursor=str(reading.position))
