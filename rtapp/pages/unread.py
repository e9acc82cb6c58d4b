from collections.abc import Collection
from typing import Any

from flask import Blueprint
from flask import jsonify
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp.events import presenters
from rtapp.unread import counts

from .cursor import cursor_of

bp = Blueprint("unread", __name__)


@bp.get("/accounts/<id:account_id>/unread")
def numbers(account_id: int) -> Response:
    """The user's unread counts, as a stream that goes live sends them."""
    user = auth.signed_in()
    access.membership_in(user, account_id)
    cursor = cursor_of(account_id)
    shown = unread_of(user.id, account_id, counts.newest(user.id, account_id))
    return jsonify(**shown, cursor=cursor)


def unread_of(user_id: int, account_id: int, conversation_ids: Collection[int]) -> dict[str, Any]:
    """The unread counts of these conversations, and of the views."""
    id_sets = counts.id_sets(user_id, account_id)
    return presenters.unread(
        counts.of_conversations(user_id, conversation_ids),
        {view: id_set.count for view, id_set in id_sets.items()},
    )
