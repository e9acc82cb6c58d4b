from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import validation
from rtapp.services.mark_read import mark_read
from rtapp.validation import Body
from rtapp.validation import RowId

from .base import bp
from .base import changeable
from .base import done
from .base import thread_page


class Read(Body):
    message_id: RowId


@bp.post("/conversations/<id:conversation_id>/read")
def read(conversation_id: int) -> Response:
    principal = auth.current_principal()
    conversation = changeable(principal, conversation_id)
    mark_read(principal, conversation, validation.body(Read).message_id)
    return done(thread_page(conversation_id))
