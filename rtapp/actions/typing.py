from flask import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.services.typing import tell_typing
from rtapp.validation import Body

from .base import bp


class Typing(Body):
    """Whether one types now; in a private note, only colleagues are told."""

    typing: bool
    private: bool = False


@bp.post("/conversations/<id:conversation_id>/typing")
def type_(conversation_id: int) -> Response:
    """Says that one types, or no longer does. To be said again every few seconds."""
    user = auth.signed_in()
    place = access.place_of_conversation(user, conversation_id)
    said = validation.body(Typing)
    tell_typing(
        user, place.account_id, conversation_id, is_typing=said.typing, private=said.private
    )
    return Response(status=204)
