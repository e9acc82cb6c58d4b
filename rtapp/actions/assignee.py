from typing import Annotated

from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import validation
from rtapp.events import presenters
from rtapp.services.assign import assign
from rtapp.validation import Body
from rtapp.validation import KnownVersion
from rtapp.validation import OrNone
from rtapp.validation import RowId

from .base import answer
from .base import bp
from .base import changeable
from .base import thread_page


class NewAssignee(Body):
    assignee_id: Annotated[RowId | None, OrNone]
    version: KnownVersion = None


@bp.post("/conversations/<id:conversation_id>/assignee")
def set_assignee(conversation_id: int) -> Response:
    user = auth.signed_in()
    conversation = changeable(user, conversation_id)
    new = validation.body(NewAssignee)
    assign(user, conversation, new.assignee_id, version=new.version)
    return answer(presenters.conversation(conversation), 200, thread_page(conversation_id))
