from flask import Blueprint
from flask import jsonify
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp.events import presenters

bp = Blueprint("draft", __name__)


@bp.get("/conversations/<id:conversation_id>/draft")
def own(conversation_id: int) -> Response:
    """The user's own draft in the conversation: empty texts and version 0 without one."""
    user = auth.signed_in()
    ref = access.conversation_ref(user, conversation_id)
    return jsonify(presenters.draft(access.own_draft(user, ref.id)))
