"""Merging two conversations of one contact, and separating them again."""

from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.services.merge_conversations import merge_conversations
from rtapp.services.merge_conversations import undo_merge
from rtapp.validation import Body
from rtapp.validation import KnownVersion
from rtapp.validation import RowId

from .base import answer
from .base import bp
from .base import thread_page


class ConversationMerging(Body):
    into: RowId
    version: KnownVersion = None


class Separation(Body):
    """No fields."""


@bp.post("/conversations/<id:conversation_id>/merge")
def merge_conversation(conversation_id: int) -> Response:
    """Merge this conversation into another one of its contact, which takes its messages."""
    user = auth.signed_in()
    access.conversation_for(user, conversation_id)
    new = validation.body(ConversationMerging)
    target = other(user, new.into)
    source = db.session.get_one(Conversation, conversation_id)  # the service refuses a merged one
    merge_conversations(user, source, target, version=new.version)
    return answer(presenters.conversation(target), 200, thread_page(target.id))


@bp.post("/conversation-merges/<id:merge_id>/undo")
def separate(merge_id: int) -> Response:
    """Undo a merge: the conversation has its messages again."""
    user = auth.signed_in()
    merge = access.conversation_merge_for(user, merge_id)
    validation.body(Separation)
    undo_merge(user, merge)
    source = db.session.get_one(Conversation, merge.source_id)
    return answer(presenters.conversation(source), 200, thread_page(source.id))


def other(user: Agent, id: int) -> Conversation:
    """The conversation to merge into. Of a merged one, that which has its messages."""
    try:
        return access.conversation_for(user, id)
    except NotFound as error:
        raise Unprocessable(
            "There is no such conversation, or it is not yours to see.",
            errors={"into": ["is no conversation that you see"]},
        ) from error
