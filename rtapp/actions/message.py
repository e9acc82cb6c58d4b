from typing import Annotated

from flask import url_for
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import ratelimits
from rtapp import validation
from rtapp.config import CLIENT_ID_LIMIT
from rtapp.config import CONTENT_LIMIT
from rtapp.events import presenters
from rtapp.services.send_message import send_message
from rtapp.services.typing import tell_typing
from rtapp.validation import Body
from rtapp.validation import Content
from rtapp.validation import Text

from .base import answer
from .base import bp


class NewMessage(Body):
    content: Annotated[Content, Field(max_length=CONTENT_LIMIT)]
    private: bool = False
    client_id: Annotated[Text, Field(max_length=CLIENT_ID_LIMIT)] | None = None


@bp.post("/conversations/<id:conversation_id>/messages")
@ratelimits.messages
def create_message(conversation_id: int) -> Response:
    user = auth.signed_in()
    conversation = access.conversation_for(user, conversation_id)
    new = validation.body(NewMessage)
    message, created = send_message(
        user, conversation, new.content, private=new.private, client_id=new.client_id or None
    )
    tell_typing(user, message.account_id, conversation_id, is_typing=False)
    page = url_for("conversation.one", conversation_id=conversation_id)
    return answer(presenters.message(message), 201 if created else 200, page)
