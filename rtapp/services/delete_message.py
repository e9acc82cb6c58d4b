from sqlalchemy import delete
from sqlalchemy import update
from sqlalchemy.orm.attributes import flag_modified

from rtapp import clock
from rtapp.events import announce
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Attachment
from rtapp.models import Message
from rtapp.models import MessageRevision

from .row_lock import lock_thread
from .row_lock import refuse_stale
from .row_lock import unlock


def delete_message(message: Message, *, version: int | None = None) -> None:
    """Remove a message's content, its files and its earlier texts. The row keeps its place, in
    lists too. The files can't be read any more; remove_attachments.py takes them out of the
    storage.

    Deleting it again publishes nothing. Raises Conflict if `version` is not the present one.
    """
    conversation = lock_thread(message)
    if message.deleted:
        unlock()
        return
    refuse_stale(message, version, presenters.message)
    empty(message)
    conversation.version += 1
    announce.message_deleted(conversation, message)
    announce.conversation_updated(conversation)  # even if it is not the last: unread counts change
    db.session.commit()


def empty(*messages: Message) -> None:
    """Take out what the messages say, in the caller's transaction, which has their thread
    locked."""
    ids = [message.id for message in messages]
    db.session.execute(delete(MessageRevision).where(MessageRevision.message_id.in_(ids)))
    db.session.execute(
        update(Attachment)
        .where(Attachment.message_id.in_(ids))
        .values(message_id=None, expires_at=clock.now())
    )
    for message in messages:
        message.content = ""
        message.attachments = None
        message.deleted = True
        message.version += 1
        flag_modified(message, "updated_at")  # keeps its value: the event does not carry it
