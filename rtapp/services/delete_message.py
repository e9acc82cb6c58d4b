from sqlalchemy.orm.attributes import flag_modified

from rtapp.events import announce
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Message

from .conversation_lock import lock
from .conversation_lock import refuse_stale
from .conversation_lock import unlock


def delete_message(message: Message, *, version: int | None = None) -> None:
    """Takes a message's content away and keeps its place, in lists too. Again: nothing is sent.

    Raises Conflict if `version` is not the message's present one.
    """
    conversation = db.session.get_one(Conversation, message.conversation_id)
    lock(conversation)
    db.session.refresh(message)
    if message.deleted:
        unlock()
        return
    refuse_stale(message, version, presenters.message)
    message.content = ""
    message.deleted = True
    message.version += 1
    flag_modified(message, "updated_at")  # stays: the event says that it is gone, and no more
    conversation.version += 1
    announce.message_deleted(conversation, message)
    announce.conversation_updated(conversation)  # lists count what is unread, last or not
    db.session.commit()
