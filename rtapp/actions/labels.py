from typing import Annotated

from pydantic import Field
from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import validation
from rtapp.config import LABELS_PER_CONVERSATION
from rtapp.errors import Unprocessable
from rtapp.events import presenters
from rtapp.services.label_conversation import add_label
from rtapp.services.label_conversation import remove_label
from rtapp.services.label_conversation import set_labels
from rtapp.validation import Body
from rtapp.validation import KnownVersion
from rtapp.validation import RowId

from .base import answer
from .base import bp
from .base import changeable
from .base import thread_page


class NewLabels(Body):
    """The whole set, or one label to add or to remove: two users who each add one have both."""

    labels: Annotated[list[RowId] | None, Field(max_length=LABELS_PER_CONVERSATION)] = None
    add: RowId | None = None
    remove: RowId | None = None
    version: KnownVersion = None


@bp.post("/conversations/<id:conversation_id>/labels")
def change_labels(conversation_id: int) -> Response:
    user = auth.signed_in()
    conversation = changeable(user, conversation_id)
    new = validation.body(NewLabels)
    refuse_ambiguous(new)
    if new.labels is not None:
        set_labels(user, conversation, new.labels, version=new.version)
    elif new.add is not None:
        add_label(user, conversation, new.add, version=new.version)
    elif new.remove is not None:
        remove_label(user, conversation, new.remove, version=new.version)
    return answer(presenters.conversation(conversation), 200, thread_page(conversation_id))


def refuse_ambiguous(new: NewLabels) -> None:
    given = [name for name in ("labels", "add", "remove") if getattr(new, name) is not None]
    if len(given) == 1:
        return
    wrong = f"can't come with {given[0]}" if given else "is missing, and so are add and remove"
    field = given[1] if given else "labels"
    raise Unprocessable(f"The body can't be used: {field} {wrong}.", errors={field: [wrong]})
