from datetime import datetime

from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp import clock
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import User

from .change_status import reopen
from .notify import notify_assignee
from .notify import notify_mentioned


def send_message(
    sender: User | Contact,
    conversation: Conversation,
    content: str,
    *,
    private: bool = False,
    client_id: str | None = None,
) -> tuple[Message, bool]:
    """Writes a message of `sender` into the conversation, and its events into the outbox.

    Returns the message and whether it is new: a `client_id` that this sender has used before gives
    the message of then, and nothing is sent. Raises Unprocessable if that one stands in another
    conversation. What a customer writes opens a conversation that was resolved or snoozed.
    """
    conversation_id = conversation.id
    earlier = sent_before(sender, conversation_id, client_id)
    if earlier is not None:
        return earlier, False
    now = clock.now()
    # First, so that the row is locked: what happens to one conversation happens one by one.
    db.session.execute(
        update(Conversation)
        .where(Conversation.id == conversation_id)
        .values(version=Conversation.version + 1, last_activity_at=now)
        .execution_options(synchronize_session=False)
    )
    message = new_message(sender, conversation, content, now, private, client_id)
    try:
        db.session.flush()
    except IntegrityError:
        db.session.rollback()
        earlier = sent_before(sender, conversation_id, client_id)
        if earlier is None:
            raise
        return earlier, False
    db.session.refresh(conversation)
    conversation.last_message = message
    announce.message_created(conversation, message)
    if isinstance(sender, Contact):
        reopen(conversation, sender, "Reopened by the customer's message")
        notify_assignee(conversation, message)
    elif private:
        notify_mentioned(conversation, message)
    announce.conversation_updated(conversation)
    db.session.commit()
    return message, True


def new_message(
    sender: User | Contact,
    conversation: Conversation,
    content: str,
    now: datetime,
    private: bool,
    client_id: str | None,
) -> Message:
    message = Message(
        account_id=conversation.account_id,
        conversation_id=conversation.id,
        message_type="incoming" if isinstance(sender, Contact) else "outgoing",
        user=sender if isinstance(sender, User) else None,
        contact=sender if isinstance(sender, Contact) else None,
        content=content,
        private=private,
        client_id=client_id,
        created_at=now,
        updated_at=now,
    )
    db.session.add(message)
    return message


def sent_before(
    sender: User | Contact, conversation_id: int, client_id: str | None
) -> Message | None:
    if client_id is None:
        return None
    own = Message.user_id if isinstance(sender, User) else Message.contact_id
    message = db.session.scalar(
        select(Message).where(own == sender.id, Message.client_id == client_id)
    )
    if message is not None and message.conversation_id != conversation_id:
        raise Unprocessable(
            "This client_id names a message of yours in another conversation; make a new one.",
            errors={"client_id": ["is in use in another conversation"]},
        )
    return message
