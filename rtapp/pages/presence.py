from flask import Blueprint
from flask import jsonify
from redis.exceptions import RedisError
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import presence
from rtapp.errors import Unavailable
from rtapp.events import presenters

bp = Blueprint("presence", __name__)


@bp.get("/accounts/<id:account_id>/presence")
def present(account_id: int) -> Response:
    """The users present, as in the snapshot of a presence stream."""
    access.membership_in(auth.signed_in(), account_id)
    try:
        reading = presence.present(account_id)
    except (RedisError, OSError) as error:
        raise Unavailable("Who is there can't be known: Redis does not answer.") from error
    (snapshot,) = reading.snapshots
    return jsonify(**presenters.present(snapshot.present), cursor=str(reading.position))
