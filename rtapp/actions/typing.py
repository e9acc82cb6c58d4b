from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.services.typing import submit_typing
from rtapp.validation import Body

from .base import bp
from .base import done
from .base import refuse_merged
from .base import refuse_private
from .base import thread_page


class Typing(Body):
    """Whether the sender types now. Typing in a private note is published to agents only."""

    typing: bool
    private: bool = False


@bp.post("/conversations/<id:conversation_id>/typing")
@ratelimits.typing
def type_(conversation_id: int) -> Response:
    """Start or stop typing. The client repeats a start every few seconds."""
    principal = auth.current_principal()
    ref = access.granted_ref(principal, conversation_id)
    refuse_merged(principal, conversation_id, ref.id)
    body = validation.body(Typing)
    refuse_private(principal, body.private)
    submit_typing(principal, ref.account_id, ref.id, is_typing=body.typing, private=body.private)
    return done(lambda: thread_page(conversation_id))
