from rtapp import clock
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Message
from rtapp.models import User


def begin_conversation(
    inbox: Inbox, contact: Contact, first: Message, *, assignee: User | None = None
) -> Conversation:
    """Add a conversation that begins now, with its first message, and announce both. Part of the
    caller's transaction.

    `first` has its sender and text; its account, conversation and times are set here. The contact
    waits for an answer from then on if it is theirs.
    """
    now = clock.now()
    conversation = Conversation(
        account_id=inbox.account_id,
        inbox=inbox,
        contact=contact,
        assignee=assignee,
        created_at=now,
        last_activity_at=now,
        last_public_at=now,
        waiting_since=now if first.message_type == "incoming" else None,
    )
    db.session.add(conversation)
    db.session.flush()
    first.account_id, first.conversation_id = inbox.account_id, conversation.id
    first.created_at = first.updated_at = now
    db.session.add(first)
    db.session.flush()
    conversation.last_message = first
    announce.conversation_created(conversation)
    announce.message_created(conversation, first)
    return conversation
