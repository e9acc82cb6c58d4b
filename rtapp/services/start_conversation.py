from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Message
from rtapp.models import User

from .begin_conversation import begin_conversation
from .repetition import digest_of
from .repetition import refuse_another
from .row_lock import lock


def start_conversation(
    user: User, inbox: Inbox, name: str, email: str, content: str, *, client_id: str | None = None
) -> tuple[Conversation, bool]:
    """Start a conversation with a customer by the user's message.

    The contact is the account's with this address, unchanged (of a merged one, that which has its
    conversations), or else a new one with this name. A user who sees only assigned conversations
    becomes the assignee, and any user where conversations are assigned automatically. Returns the
    conversation and whether it is new, by `client_id` as in `send_message`. Raises Unprocessable if
    the `client_id` is that of another request, or its conversation is one that the user no longer
    sees.
    """
    try:
        return try_to_start(user, inbox, name, email, content, client_id)
    except IntegrityError:  # the same contact, or the same request, at the same time
        db.session.rollback()
        return try_to_start(user, inbox, name, email, content, client_id)


def try_to_start(
    user: User, inbox: Inbox, name: str, email: str, content: str, client_id: str | None
) -> tuple[Conversation, bool]:
    digest = digest_of("conversation", inbox.id, name, email, content)
    earlier = started_before(user, inbox, client_id, digest)
    if earlier is not None:
        return earlier, False
    first = Message(
        user=user,
        content=content,
        client_id=client_id,
        request_digest=digest if client_id is not None else None,
    )
    assignee = user if inbox.auto_assign or not sees_inbox(user, inbox) else None
    contact = contact_with(inbox.account_id, name, email)
    conversation = begin_conversation(inbox, contact, first, assignee=assignee)
    db.session.commit()
    return conversation, True


def sees_inbox(user: User, inbox: Inbox) -> bool:
    membership = access.membership_in(user, inbox.account_id)
    return membership.role == "administrator" or membership.sees == "inbox"


def contact_with(account_id: int, name: str, email: str) -> Contact:
    contact: Contact | None = db.session.scalar(
        select(Contact).where(Contact.account_id == account_id, Contact.email == email)
    )
    if contact is None:
        return Contact(account_id=account_id, name=name, email=email)
    lock(contact)  # so that no merge leaves the conversation behind
    if contact.merged_into_id is None:
        return contact
    return db.session.get_one(Contact, contact.merged_into_id)


def started_before(
    user: User, inbox: Inbox, client_id: str | None, digest: str
) -> Conversation | None:
    if client_id is None:
        return None
    message = db.session.scalar(
        select(Message).where(Message.user_id == user.id, Message.client_id == client_id)
    )
    if message is None:
        return None
    refuse_another(message, digest)
    first = select(func.min(Message.id)).where(Message.conversation_id == message.conversation_id)
    conversation = db.session.get_one(Conversation, message.conversation_id)
    is_first = db.session.scalar(first) == message.id and conversation.inbox_id == inbox.id
    if not is_first or not access.sees_conversation(user.id, conversation.id):
        raise Unprocessable(
            "This client_id names another message of yours; make a new one.",
            errors={"client_id": ["is in use for another message"]},
        )
    return conversation
