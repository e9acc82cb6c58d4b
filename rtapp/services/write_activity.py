from rtapp import clock
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Message
from rtapp.models import Principal


def write_activity(conversation: Conversation, by: Principal, content: str) -> Message:
    """Write a line of activity into the thread. It never becomes a list's preview.

    Part of the caller's transaction.
    """
    now = clock.now()
    message = Message(
        account_id=conversation.account_id,
        conversation_id=conversation.id,
        message_type="activity",
        user_id=by.id if isinstance(by, Agent) else None,
        contact_id=by.id if isinstance(by, Customer) else None,
        content=content,
        created_at=now,
        updated_at=now,
    )
    db.session.add(message)
    db.session.flush()
    announce.message_created(conversation, message)
    return message
