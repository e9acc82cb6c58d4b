from sqlalchemy import select

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import ReadMarker
from rtapp.models import User

from .conversation_lock import lock
from .conversation_lock import unlock


def mark_read(reader: User | Contact, conversation: Conversation, message_id: int) -> None:
    """Remembers that `reader` has read up to a message. Never goes back, and then sends nothing.

    Raises Unprocessable if the reader sees no such message in the conversation.
    """
    refuse_unseen(reader, conversation, message_id)
    lock(conversation)
    moved = (
        move_contacts_marker(conversation, message_id)
        if isinstance(reader, Contact)
        else move_marker(reader, conversation, message_id)
    )
    if not moved:
        unlock()
        return
    announce.conversation_read(conversation, reader, message_id)
    db.session.commit()


def refuse_unseen(reader: User | Contact, conversation: Conversation, message_id: int) -> None:
    message = select(Message.id).where(
        Message.id == message_id, Message.conversation_id == conversation.id
    )
    if isinstance(reader, Contact):
        message = message.where(access.PUBLIC)
    if db.session.scalar(message) is None:
        raise Unprocessable(
            "There is no such message in this conversation.",
            errors={"message_id": ["is no message of this conversation"]},
        )


def move_marker(reader: User, conversation: Conversation, message_id: int) -> bool:
    marker = db.session.get(ReadMarker, (reader.id, conversation.id), populate_existing=True)
    if marker is None:
        db.session.add(
            ReadMarker(user_id=reader.id, conversation_id=conversation.id, message_id=message_id)
        )
        return True
    if marker.message_id >= message_id:
        return False
    marker.message_id = message_id
    return True


def move_contacts_marker(conversation: Conversation, message_id: int) -> bool:
    if (conversation.contact_read_id or 0) >= message_id:
        return False
    conversation.contact_read_id = message_id
    return True
