from datetime import datetime

from sqlalchemy import Integer
from sqlalchemy import bindparam
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Message
from rtapp.models import Principal
from rtapp.models import ReadMarker

from .row_lock import lock_unmerged
from .row_lock import unlock

# Built once, and on the table rather than the mapped class: each message of an agent runs them.
READER = bindparam("reader", type_=Integer)
CONVERSATION_ID = bindparam("conversation", type_=Integer)
MOVE = (
    update(ReadMarker.__table__)
    .where(ReadMarker.user_id == READER, ReadMarker.conversation_id == CONVERSATION_ID)
    .values(message_id=bindparam("message"), updated_at=bindparam("now"))
    .returning(ReadMarker.user_id)
)
BEGIN = insert(ReadMarker.__table__).values(
    user_id=READER,
    conversation_id=CONVERSATION_ID,
    message_id=bindparam("message"),
    updated_at=bindparam("now"),
)


def mark_read(reader: Principal, conversation: Conversation, message_id: int) -> None:
    """Move the read marker of `reader` up to a message. It never moves back, and publishes nothing
    unless it moves.

    Raises Unprocessable if the reader sees no such message in the conversation.
    """
    refuse_unseen(reader, conversation, message_id)
    lock_unmerged(conversation)
    moved = (
        move_contact_marker(conversation, message_id)
        if isinstance(reader, Customer)
        else move_marker(reader, conversation, message_id)
    )
    if not moved:
        unlock()
        return
    announce.conversation_read(conversation, reader, message_id)
    db.session.commit()


def mark_answered(writer_id: int, conversation_id: int, message_id: int, now: datetime) -> None:
    """Move an agent's read marker up to their own new message.

    Part of the caller's transaction, which holds the conversation's lock. Publishes nothing:
    clients derive it from message.created.
    """
    moved = {
        "reader": writer_id, "conversation": conversation_id, "message": message_id, "now": now
    }  # fmt: skip
    if execute(MOVE, moved).one_or_none() is None:
        execute(BEGIN, moved)


def refuse_unseen(reader: Principal, conversation: Conversation, message_id: int) -> None:
    message = select(Message.id).where(
        Message.id == message_id, Message.conversation_id == conversation.id
    )
    if isinstance(reader, Customer):
        message = message.where(access.PUBLIC)
    if db.session.scalar(message) is None:
        raise Unprocessable(
            "There is no such message in this conversation.",
            errors={"message_id": ["is no message of this conversation"]},
        )


def move_marker(reader: Agent, conversation: Conversation, message_id: int) -> bool:
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


def move_contact_marker(conversation: Conversation, message_id: int) -> bool:
    if (conversation.contact_read_id or 0) >= message_id:
        return False
    conversation.contact_read_id = message_id
    return True
