from flask import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.errors import Unprocessable
from rtapp.models import Contact
from rtapp.services.typing import tell_typing
from rtapp.validation import Body

from .base import bp


class Typing(Body):
    """Whether one types now; in a private note, only colleagues are told."""

    typing: bool
    private: bool = False


@bp.post("/conversations/<id:conversation_id>/typing")
@ratelimits.typing
def type_(conversation_id: int) -> Response:
    """Says that one types, or no longer does. To be said again every few seconds."""
    asker = auth.asking()
    place = access.place_of_conversation(asker, conversation_id)
    said = validation.body(Typing)
    if said.private and isinstance(asker, Contact):
        raise Unprocessable(
            "Private notes are the team's.", errors={"private": ["must be false for a visitor"]}
        )
    tell_typing(
        asker, place.account_id, conversation_id, is_typing=said.typing, private=said.private
    )
    return Response(status=204)
