from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func
from sqlalchemy import select

from rtapp import access
from rtapp import clock
from rtapp.config import NEW_CONVERSATIONS_PER_VISITOR
from rtapp.errors import TooManyRequests
from rtapp.events import control
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import CustomerIdentity
from rtapp.models import Inbox
from rtapp.models import Message

from .auto_assign import NOBODY
from .auto_assign import assign_next
from .auto_assign import await_assignee
from .auto_assign import present_in
from .begin_conversation import begin_conversation
from .change_tokens import prolong
from .enqueue_push import push_to_concerned
from .repetition import digest_of
from .repetition import refuse_another
from .row_lock import lock
from .row_lock import unlock

DAY = timedelta(days=1)


def start_visitor_conversation(
    visitor: CustomerIdentity,
    inbox: Inbox,
    content: str,
    *,
    client_id: str | None = None,
    page: str | None = None,
) -> tuple[Conversation, Message, bool]:
    """Start a conversation by the first message of a visitor of the inbox's website.

    `page`: the address of the page from which they write. Returns the conversation, the message and
    whether they are new, by `client_id` as in `send_message`. Raises TooManyRequests for more than
    NEW_CONVERSATIONS_PER_VISITOR a day, Forbidden if the contact is blocked, Unprocessable if the
    `client_id` is of another request.
    """
    present = present_in(inbox.account_id) if inbox.auto_assign else NOBODY
    digest = digest_of("visitor conversation", inbox.id, content)
    contact = access.own_contact(visitor)
    lock(contact)
    if contact.merged_into_id is not None:  # in this moment
        contact = db.session.get_one(Contact, contact.merged_into_id)
        lock(contact)
    earlier = started_before(visitor, client_id, digest)
    if earlier is not None:
        unlock()
        return *earlier, False
    access.refuse_blocked_visitor(replace(visitor, blocked=contact.blocked))
    refuse_many(contact)
    message = Message(
        contact_id=visitor.id,
        message_type="incoming",
        content=content,
        client_id=client_id,
        request_digest=digest if client_id is not None else None,
    )
    conversation = begin_conversation(inbox, contact, message)
    contact.page_url = page or contact.page_url
    prolong(visitor)
    await_assignee(conversation)
    assign_next(conversation, present)
    push_to_concerned(conversation.id, message.id)
    control.recheck(-visitor.id)  # whose streams make them present in it
    db.session.commit()
    return conversation, message, True


def started_before(
    visitor: CustomerIdentity, client_id: str | None, digest: str
) -> tuple[Conversation, Message] | None:
    if client_id is None:
        return None
    message = db.session.scalar(
        select(Message).where(Message.contact_id == visitor.id, Message.client_id == client_id)
    )
    if message is None:
        return None
    refuse_another(message, digest)
    return access.conversation_for(visitor, message.conversation_id), message


def refuse_many(contact: Contact) -> None:
    """Raises TooManyRequests if the contact has started as many conversations as a day allows."""
    since = clock.now() - DAY
    query = select(func.count(), func.min(Conversation.created_at)).where(
        Conversation.contact_id == contact.id, Conversation.created_at > since
    )
    started, first = db.session.execute(query).one()
    if started < NEW_CONVERSATIONS_PER_VISITOR:
        return
    seconds = max(1, round((first - since).total_seconds()))
    raise TooManyRequests(
        f"You have started {started} conversations within a day; write in one of those, or try "
        f"again in {seconds // 3600 + 1} h.",
        headers={"Retry-After": str(seconds)},
    )
