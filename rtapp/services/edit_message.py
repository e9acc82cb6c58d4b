from rtapp import clock
from rtapp.errors import Conflict
from rtapp.events import announce
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Message
from rtapp.models import MessageRevision
from rtapp.models import User

from .row_lock import lock_thread
from .row_lock import refuse_stale
from .row_lock import unlock


def edit_message(
    editor: User, message: Message, content: str, *, version: int | None = None
) -> None:
    """Replace a message's content, and keep the earlier one. The same content publishes nothing.

    Raises Conflict if the message was deleted, or if `version` is not the present one.
    """
    conversation = lock_thread(message)
    if message.deleted:
        raise Conflict("This message was deleted.", current=presenters.message(message))
    if message.content == content:
        unlock()
        return
    refuse_stale(message, version, presenters.message)
    now = clock.now()
    db.session.add(
        MessageRevision(
            message_id=message.id,
            version=message.version,
            content=message.content,
            edited_by=editor,
            edited_at=now,
        )
    )
    message.content = content
    message.updated_at = message.edited_at = now
    message.edited_by = editor
    message.version += 1
    announce.message_updated(conversation, message)
    if conversation.last_message_id == message.id:
        conversation.version += 1
        announce.conversation_updated(conversation)
    db.session.commit()
