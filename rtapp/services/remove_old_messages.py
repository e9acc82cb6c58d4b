"""Messages of conversations in which nothing was written for as long as their account keeps them.

They are emptied as if each had been deleted: the thread keeps its places, and open pages receive
message.deleted. What the team has done (activity) stays, and so do the contact and the labels.
"""

from collections.abc import Iterator
from datetime import UTC
from datetime import datetime
from datetime import timedelta

from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import exists
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import tuple_

from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Conversation
from rtapp.models import Message

from .delete_message import empty
from .row_lock import lock

MAX_EMPTIED = 100  # messages in one transaction
LOOKED_AT = 500  # conversations in one query
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def count_old_messages(now: datetime) -> int:
    """The number of messages that are to be removed."""
    return sum(
        db.session.scalar(
            select(func.count())
            .select_from(Message)
            .where(Message.conversation_id.in_(ids), is_there(end))
        )
        or 0
        for end, ids in old_conversations(now)
    )


def remove_old_messages(now: datetime) -> Iterator[int]:
    """Empty the messages, MAX_EMPTIED at most in one transaction. Yields their number after each,
    when nothing is locked."""
    for end, ids in old_conversations(now):
        for id in ids:
            while emptied := empty_messages(id, end):
                yield emptied


def old_conversations(now: datetime) -> Iterator[tuple[datetime, list[int]]]:
    """Yield the ids of old conversations that have such messages, and the time before which
    messages are old: LOOKED_AT at a time, by the index of their account's list."""
    query = select(Account.id, Account.messages_kept_days).order_by(Account.id)
    keeping = db.session.execute(query.where(Account.messages_kept_days.is_not(None))).all()
    at, id = Conversation.last_public_at, Conversation.id
    for account_id, days in keeping:
        end, after = now - timedelta(days=days or 0), (BEGINNING, 0)
        while True:
            found = db.session.execute(
                select(at, id)
                .where(Conversation.account_id == account_id, at < end)
                .where(tuple_(at, id) > tuple_(*after))
                .order_by(at, id)
                .limit(LOOKED_AT)
            ).all()
            if not found:
                break
            after = found[-1][0], found[-1][1]
            there = exists().where(Message.conversation_id == id, is_there(end))
            asked = select(id).where(id.in_([row.id for row in found]), there)
            yield end, list(db.session.scalars(asked))


def is_there(end: datetime) -> ColumnElement[bool]:
    """The condition on `Message` that selects those to be emptied."""
    return and_(
        Message.created_at < end, Message.deleted.is_(False), Message.message_type != "activity"
    )


def empty_messages(conversation_id: int, end: datetime) -> int:
    """Empty the conversation's first messages, unless somebody has written since. Returns their
    number."""
    conversation = db.session.get_one(Conversation, conversation_id)
    lock(conversation)
    messages: list[Message] = []
    if conversation.last_public_at < end:
        found = select(Message).where(Message.conversation_id == conversation_id, is_there(end))
        messages = list(db.session.scalars(found.order_by(Message.id).limit(MAX_EMPTIED)))
    if messages:
        empty(*messages)
        for message in messages:
            announce.message_deleted(conversation, message)
        conversation.version += 1
        announce.conversation_updated(conversation)
    db.session.commit()
    db.session.expunge_all()
    return len(messages)
