"""Merges of two conversations of one contact, and their undo log.

A merge moves the messages of one conversation, the source, to another one, the target, where they
stand by their ids: in the order in which they were written. The source keeps its row, which leads
to the target: see access.conversation_for. Its status, assignee, labels and read markers stay in
its rows, so undoing the merge restores them. The source of an earlier merge follows a later one, so
a merged conversation always leads to one that is not.

The contact is locked first, so that no merge of contacts separates the two, then both rows in the
order of their ids.
"""

from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.orm import joinedload

from rtapp import access
from rtapp import clock
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import ConversationMerge
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models.conversation import ENDED
from rtapp.text import isolated

from . import waiting
from .auto_assign import await_assignee
from .change_status import WRITTEN
from .row_lock import lock
from .row_lock import refuse_merged
from .row_lock import refuse_unaware
from .row_lock import touch
from .row_lock import unlock
from .undo_log import point
from .undo_log import refuse_late
from .unite_conversations import unite_drafts
from .unite_conversations import unite_labels
from .unite_conversations import unite_read_markers
from .write_activity import write_activity

AT_ONCE = 1_000  # ids in one statement


def merge_conversations(
    user: Agent, source: Conversation, target: Conversation, *, version: int | None = None
) -> None:
    """Move the source's messages to the target. A merge that is done already changes nothing.

    Raises Unprocessable unless they are two conversations of one contact, Conflict if one of them
    was merged into another one meanwhile, or if the customer has written into the source since
    `version`.
    """
    lock_both(source, target)
    if source.merged_into_id == target.id:
        unlock()
        return
    refuse_merged(source)
    refuse_merged(target)
    refuse_strangers(source, target)
    refuse_unaware(source, version, source.asked_version, WRITTEN)
    unite_read_markers(source, target)
    unite_drafts(source, target)
    labels = unite_labels(source, target)
    moved = move_messages(Message.conversation_id == source.id, target)
    conversation_ids = point(Conversation.merged_into_id == source.id, target)
    source.merged_into_id = target.id
    source.awaits_assignee_since = None
    source.version += 1
    merge = ConversationMerge(
        account_id=source.account_id,
        source_id=source.id,
        target_id=target.id,
        message_ids=sorted(moved),
        label_ids=[label.id for label in labels],
        conversation_ids=sorted(conversation_ids),
        merged_by_id=user.id,
        merged_at=clock.now(),
    )
    db.session.add(merge)
    change(target, labels=bool(labels))
    change(source)
    notified = move_notifications(moved, target)
    write_activity(
        target, user, f"{isolated(user.name)} merged conversation #{source.id} into this"
    )
    announce.conversation_merged(source)
    announce_both(notified, (target,), (source, target))
    control.recheck_thread(source.id)
    db.session.commit()


def undo_merge(user: Agent, merge: ConversationMerge) -> None:
    """Restore the source, with the messages that moved. What was written since stays in the
    conversation that has them. A merge that is undone already changes nothing.

    Raises Conflict if the source was merged again meanwhile, or after UNDO_DAYS.
    """
    source = db.session.get_one(Conversation, merge.source_id)
    if source.merged_into_id is None:
        unlock()
        return
    owner = db.session.get_one(Conversation, source.merged_into_id)
    lock_both(source, owner)
    db.session.refresh(merge)
    if merge.undone_at is not None and source.merged_into_id is None:
        unlock()
        return
    refuse_late(merge, source, owner, presenters.conversation(owner))
    moved: list[int] = []
    for ids in parts_of(merge.message_ids):
        here = Message.id.in_(ids) & (Message.conversation_id == owner.id)
        moved += move_messages(here, source)
    before = Conversation.id.in_(merge.conversation_ids)
    point(before & (Conversation.merged_into_id == owner.id), source)
    lost = [label for label in owner.labels if label.id in merge.label_ids]
    for label in lost:
        owner.labels.remove(label)
    source.merged_into_id = None
    merge.undone_by_id, merge.undone_at = user.id, clock.now()
    touch(source)
    await_assignee(source)
    change(owner, labels=bool(lost))
    change(source)
    notified = move_notifications(moved, source)
    name = isolated(user.name)
    write_activity(owner, user, f"{name} separated conversation #{source.id} from this again")
    write_activity(source, user, f"{name} separated this from conversation #{owner.id} again")
    announce_both(notified, (owner, source), (owner, source))
    control.recheck_thread(source.id)
    db.session.commit()


def lock_both(*conversations: Conversation) -> None:
    lock(db.session.get_one(Contact, conversations[0].contact_id))
    for conversation in sorted(conversations, key=lambda each: each.id):
        lock(conversation)


def refuse_strangers(source: Conversation, target: Conversation) -> None:
    """Raises Unprocessable unless these are two conversations of one contact."""
    if source.id == target.id or source.contact_id != target.contact_id:
        raise Unprocessable(
            "A conversation is merged into another one of the same contact.",
            errors={"into": ["must be another conversation of the same contact"]},
        )


# The parts of a merge


def move_messages(which: ColumnElement[bool], to: Conversation) -> Sequence[int]:
    """Returns the ids of the messages."""
    statement = (
        update(Message)
        .where(which)
        .values(conversation_id=to.id, updated_at=Message.updated_at)  # which an edit alone changes
        .returning(Message.id)
        .execution_options(synchronize_session=False)
    )
    return db.session.scalars(statement).all()


def parts_of(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    """The ids in parts that a statement takes."""
    return (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE))


def move_notifications(message_ids: Sequence[int], to: Conversation) -> set[int]:
    """Have the notifications of these messages lead to the conversation. Returns their users."""
    users: set[int] = set()
    for ids in parts_of(message_ids):
        statement = (
            update(Notification)
            .where(Notification.message_id.in_(ids))
            .values(conversation_id=to.id)
            .returning(Notification.user_id)
            .execution_options(synchronize_session=False)
        )
        users |= set(db.session.scalars(statement))
    return users


# The rows of both, afterwards


def change(conversation: Conversation, *, labels: bool = False) -> None:
    """Set what the conversation's row has of its messages, which are others now."""
    if conversation.merged_into_id is None:
        touch(conversation)
        conversation.asked_version = conversation.version
        if labels:
            conversation.labels_version = conversation.version
    db.session.flush()
    here = Message.conversation_id == conversation.id
    last = select(func.max(Message.id)).where(here, Message.message_type != "activity")
    conversation.last_message_id = db.session.scalar(last)
    public = select(Message.created_at).where(here, access.PUBLIC).order_by(Message.id.desc())
    conversation.last_public_at = db.session.scalar(public.limit(1)) or conversation.created_at
    is_ended = conversation.status in ENDED
    conversation.waiting_since = None if is_ended else waiting.unanswered_since(conversation)
    db.session.flush()
    db.session.refresh(conversation)


def announce_both(
    notified: Collection[int],
    listed: Sequence[Conversation],
    threads: Sequence[Conversation],
) -> None:
    """Announce the conversations `listed`, and have the clients fetch these threads again, and what
    the users `notified` have as notifications."""
    account_id = threads[0].account_id
    for conversation in listed:
        announce.conversation_updated(conversation)
    announce.threads_lost([each.id for each in threads], account_id)
    for user_id in sorted(notified):
        announce.state_lost(user_id, account_id)


def merges_into(conversation: Conversation) -> Sequence[ConversationMerge]:
    """The merges of the conversations whose messages this one has, the newest first."""
    query = (
        select(ConversationMerge)
        .join(Conversation, Conversation.id == ConversationMerge.source_id)
        .where(
            Conversation.merged_into_id == conversation.id, ConversationMerge.undone_at.is_(None)
        )
        .order_by(ConversationMerge.id.desc())
    )
    return db.session.scalars(query.options(joinedload(ConversationMerge.merged_by))).all()
