from typing import Annotated

from pydantic import AfterValidator
from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.config import CONTENT_LIMIT
from rtapp.config import ID_LIMIT
from rtapp.errors import NotFound
from rtapp.services.save_draft import save_draft
from rtapp.validation import Body
from rtapp.validation import Text
from rtapp.validation import with_plain_line_ends

from .base import answer
from .base import bp
from .base import thread_page

# Not Content: a text in the making may be blank.
DraftText = Annotated[Text, AfterValidator(with_plain_line_ends), Field(max_length=CONTENT_LIMIT)]


class NewDraft(Body):
    """Both texts, and the version that they are based on. None has a default: a text that was left
    out would be erased."""

    reply: DraftText
    note: DraftText
    version: Annotated[int, Field(ge=0, le=ID_LIMIT)]


@bp.post("/conversations/<id:conversation_id>/draft")
def set_draft(conversation_id: int) -> Response:
    """Keep what the user has written and not sent. Nobody else can read it."""
    user = auth.signed_in()
    if access.conversation_ref(user, conversation_id).id != conversation_id:
        raise NotFound  # it was merged. The client keeps the texts.
    new = validation.body(NewDraft)
    version = save_draft(user, conversation_id, reply=new.reply, note=new.note, version=new.version)
    return answer({"version": version}, 200, thread_page(conversation_id))
