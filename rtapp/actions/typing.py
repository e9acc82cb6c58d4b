from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.services.typing import tell_typing
from rtapp.validation import Body

from .base import bp
from .base import done
from .base import refuse_private
from .base import thread_page


class Typing(Body):
    """Whether one types now; in a private note, only colleagues are told."""

    typing: bool
    private: bool = False


@bp.post("/conversations/<id:conversation_id>/typing")
@ratelimits.typing
def type_(conversation_id: int) -> Response:
    """Says that one types, or no longer does. To be said again every few seconds."""
    principal = auth.current_principal()
    ref = access.conversation_ref(principal, conversation_id)
    said = validation.body(Typing)
    refuse_private(principal, said.private)
    tell_typing(
        principal, ref.account_id, conversation_id, is_typing=said.typing, private=said.private
    )
    return done(thread_page(conversation_id))
