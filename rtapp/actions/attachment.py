from flask import request
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.config import FILE_LIMIT
from rtapp.config import UPLOAD_LIMIT
from rtapp.errors import TooLarge
from rtapp.events import presenters
from rtapp.realtime.handoff import MORE_TIME
from rtapp.services.store_attachment import store_attachment

from .base import answer
from .base import bp
from .base import thread_page

ENDPOINT = "actions.upload"
UPLOAD_TIME = 300.0  # s for a request with a file: 10 MiB over a slow telephone


def allow_file() -> None:
    """Allow a body of UPLOAD_LIMIT to the one endpoint that takes a file, for somebody who is
    signed in. Called before anything reads the body. Raises Unauthorized, TooLarge."""
    if request.endpoint != ENDPOINT or request.method != "POST":
        return
    auth.current_principal()
    if (request.content_length or 0) > UPLOAD_LIMIT:
        raise TooLarge(f"A file may have {FILE_LIMIT // 1024 // 1024} MiB. This one is larger.")
    request.max_content_length = UPLOAD_LIMIT
    if more_time := request.environ.get(MORE_TIME):
        more_time(UPLOAD_TIME)


@bp.post("/conversations/<id:conversation_id>/attachments")
@ratelimits.uploads
def upload(conversation_id: int) -> Response:
    """Store a file that the sender may then send with a message, of this conversation or another
    one of the account."""
    principal = auth.current_principal()
    ref = access.conversation_ref(principal, conversation_id)
    access.refuse_blocked(principal, ref.id)
    name, data = validation.file_of_form("file", FILE_LIMIT)
    row = store_attachment(principal, ref.account_id, name, data)
    shown = presenters.attachment(presenters.shown_of(row))
    return answer({"attachment": shown}, 201, thread_page(conversation_id))
