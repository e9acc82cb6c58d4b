from collections.abc import Collection
from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam
from sqlalchemy import insert
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp import access
from rtapp import clock
from rtapp.access import ConversationRef
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.extensions import execute
from rtapp.models import Agent
from rtapp.models import AgentIdentity
from rtapp.models import AnyMessage
from rtapp.models import Attachment
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import ConversationLabel
from rtapp.models import ConversationSnapshot
from rtapp.models import Customer
from rtapp.models import CustomerIdentity
from rtapp.models import Label
from rtapp.models import LabelSnapshot
from rtapp.models import Message
from rtapp.models import MessageSnapshot
from rtapp.models import Principal
from rtapp.models import User
from rtapp.models.conversation import SPAM

from . import waiting
from .auto_assign import NOBODY
from .auto_assign import assign_next
from .auto_assign import present_for
from .change_status import reopen
from .enqueue_push import push_to_concerned
from .mark_read import mark_answered
from .notify import notify_assignee
from .notify import notify_mentioned
from .repetition import digest_of
from .repetition import refuse_another
from .row_lock import merged
from .store_attachment import claimed

# Built once, because building a statement costs more than running it. On the tables, because the
# flush of a mapped row costs several times as much.
ROW = Conversation.id == bindparam("conversation")
UNMERGED = Conversation.merged_into_id.is_(None)
NEXT = Conversation.version + 1
NOTE, REPLY, QUESTION = (
    update(Conversation.__table__)
    .where(ROW, UNMERGED)
    .values(version=NEXT, last_activity_at=waiting.NOW, **columns)
    for columns in (waiting.NOTED, waiting.REPLIED, {**waiting.ASKED, "asked_version": NEXT})
)
NOTE_PAGE = (
    update(Contact.__table__)
    .where(
        Contact.id == bindparam("contact"),
        Contact.page_url.is_distinct_from(bindparam("page")),
    )
    .values(page_url=bindparam("page"))
)
INSERT = insert(Message.__table__).returning(Message.id)
SHOW_LAST = update(Conversation.__table__).where(ROW).values(last_message_id=bindparam("message"))
ATTACH = (
    update(Attachment.__table__)
    .where(Attachment.id == bindparam("attachment"))
    .values(message_id=bindparam("message"), expires_at=None)
)
SNAPSHOT = (
    select(
        Conversation.inbox_id,
        Conversation.assignee_id,
        Conversation.status,
        Conversation.snoozed_until,
        Conversation.contact_id,
        Conversation.last_public_at,
        Conversation.waiting_since,
        Conversation.version,
        User.name.label("assignee_name"),
        Contact.name.label("contact_name"),
        Label.id.label("label_id"),
        Label.title,
        Label.colour,
    )
    .join(Contact, Contact.id == Conversation.contact_id)
    .outerjoin(User, User.id == Conversation.assignee_id)
    .outerjoin(ConversationLabel, ConversationLabel.conversation_id == Conversation.id)
    .outerjoin(Label, Label.id == ConversationLabel.label_id)
    .where(ROW)
    .order_by(Label.folded)
)
MAPPED = (
    select(Conversation)
    .where(ROW)
    .options(*presenters.PRESENTED)
    .execution_options(populate_existing=True)
)


def send_message(
    sender: Principal,
    ref: ConversationRef | Conversation,
    content: str,
    *,
    private: bool = False,
    client_id: str | None = None,
    asked: int | None = None,
    page: str | None = None,
    attachments: Sequence[str] = (),
) -> tuple[AnyMessage, bool]:
    """Write a message of `sender` into the conversation, and its events into the outbox.

    Returns the message and whether it is new. For a `client_id` that this sender used before, it
    returns the earlier message and publishes nothing. Raises Unprocessable if that message is in
    another conversation, or came with another content or `private`; Forbidden to a blocked contact.
    `attachments` are the keys of files that the sender has uploaded and not sent, in their order;
    Unprocessable for any other.

    A customer's message reopens a resolved or snoozed conversation, which may then be assigned
    automatically.

    `asked` is the id of the conversation that was asked for, if `ref` may be the one that it was
    merged into: an agent is refused with Conflict then, a customer's message goes there. `page` is
    the address of the page from which a customer writes.
    """
    conversation_id = ref.id
    files = [list(attachments)] if attachments else []
    digest = digest_of("message", content, private, *files) if client_id is not None else None
    earlier = sent_before(sender, conversation_id, client_id, digest)
    if earlier is not None:
        return earlier, False
    if isinstance(sender, Agent) and asked not in (None, conversation_id):
        raise merged(db.session.get_one(Conversation, conversation_id))
    present = present_for(ref) if isinstance(sender, Customer) else NOBODY
    now = clock.now()
    has_moved = False
    if page is not None and isinstance(sender, Customer):
        noted = execute(NOTE_PAGE, {"contact": access.own_contact(sender).id, "page": page})
        has_moved = noted.rowcount > 0
    # First but for a contact, because it locks the row: changes of one conversation are serialised.
    touch = QUESTION if isinstance(sender, Customer) else NOTE if private else REPLY
    if execute(touch, {"conversation": conversation_id, "now": now}).rowcount == 0:
        db.session.rollback()  # it was merged in this moment
        kept = access.conversation_ref(sender, conversation_id)
        more: dict[str, Any] = {
            "private": private, "client_id": client_id, "page": page, "attachments": attachments,
        }  # fmt: skip
        return send_message(sender, kept, content, **more, asked=conversation_id)
    access.refuse_blocked(sender, conversation_id)  # under the lock: blocking waits for it too
    shown = claimed(sender, ref.account_id, attachments) if attachments else None
    columns: dict[str, Any] = {
        "account_id": ref.account_id,
        "conversation_id": conversation_id,
        "message_type": "incoming" if isinstance(sender, Customer) else "outgoing",
        "private": private,
        "content": content,
        "attachments": shown,
        "client_id": client_id,
        "created_at": now,
        "updated_at": now,
    }
    row = {**columns, "request_digest": digest}
    by = "contact_id" if isinstance(sender, Customer) else "user_id"
    try:
        message_id = execute(INSERT, {**row, by: sender.id}).scalar_one()
    except IntegrityError:
        db.session.rollback()
        earlier = sent_before(sender, conversation_id, client_id, digest)
        if earlier is None:
            raise
        return earlier, False
    if shown is not None:
        execute(ATTACH, [{"attachment": each["id"], "message": message_id} for each in shown])
    execute(SHOW_LAST, {"conversation": conversation_id, "message": message_id})
    message: AnyMessage
    if isinstance(sender, Customer):
        message = announce_of_customer(sender, conversation_id, present, has_moved=has_moved)
    else:
        message = MessageSnapshot(id=message_id, sender=sender, version=1, **columns)
        announce_of_agent(message)
    db.session.commit()
    return message, True


def announce_of_customer(
    sender: Customer, conversation_id: int, present: Collection[int], *, has_moved: bool
) -> Message:
    """`has_moved`: they write from another page than before."""
    conversation = db.session.scalars(MAPPED, {"conversation": conversation_id}).one()
    message = conversation.last_message
    assert message is not None
    announce.message_created(conversation, message)
    if has_moved:
        announce.page_changed(conversation, sender)
    reopen(conversation, sender, "Reopened by the customer's message")
    if conversation.status != SPAM:
        notify_assignee(conversation, message)  # an assignee of now has a notification of that
    if not assign_next(conversation, present):
        announce.conversation_updated(conversation)
    push_to_concerned(conversation.id, message.id)
    return message


def announce_of_agent(message: MessageSnapshot) -> None:
    conversation = snapshot(message)
    announce.message_created(conversation, message)
    mark_answered(message.sender.id, message.conversation_id, message.id, message.created_at)
    if message.private:
        notify_mentioned(conversation, message)
    announce.conversation_updated(conversation)


def snapshot(message: MessageSnapshot) -> ConversationSnapshot:
    """Read by a statement of its own, after the lock: that which waited for the lock may have found
    older names and labels."""
    rows = execute(SNAPSHOT, {"conversation": message.conversation_id}).all()
    row = rows[0]  # one for each label, or the only one
    assignee = AgentIdentity(row.assignee_id, row.assignee_name) if row.assignee_id else None
    return ConversationSnapshot(
        id=message.conversation_id,
        account_id=message.account_id,
        inbox_id=row.inbox_id,
        assignee_id=row.assignee_id,
        status=row.status,
        snoozed_until=row.snoozed_until,
        assignee=assignee,
        contact=CustomerIdentity(row.contact_id, row.contact_name),
        last_message=message,
        last_activity_at=message.created_at,
        last_public_at=row.last_public_at,
        waiting_since=row.waiting_since,
        version=row.version,
        labels=[
            LabelSnapshot(each.label_id, each.title, each.colour)
            for each in rows
            if each.label_id is not None
        ],
    )


def sent_before(
    sender: Principal, conversation_id: int, client_id: str | None, digest: str | None
) -> Message | None:
    if client_id is None or digest is None:
        return None
    own = Message.user_id if isinstance(sender, Agent) else Message.contact_id
    message = db.session.scalar(
        select(Message).where(own == sender.id, Message.client_id == client_id)
    )
    if message is not None and message.conversation_id != conversation_id:
        raise Unprocessable(
            "This client_id names a message of yours in another conversation; make a new one.",
            errors={"client_id": ["is in use in another conversation"]},
        )
    if message is not None:
        refuse_another(message, digest)
    return message
