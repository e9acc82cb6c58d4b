"""What two conversations that are merged have of the same kind, and become one of: labels, read
markers, drafts. Part of the caller's transaction, which holds the locks of both."""

from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlalchemy import and_
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select

from rtapp import access
from rtapp.config import CONTENT_LIMIT
from rtapp.config import LABELS_PER_CONVERSATION
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import ConversationLabel
from rtapp.models import Draft
from rtapp.models import Label
from rtapp.models import Message
from rtapp.models import ReadMarker
from rtapp.text import is_blank

QUESTION = and_(Message.message_type == "incoming", Message.deleted.is_(False))
REPLY = and_(Message.message_type == "outgoing", access.PUBLIC, Message.deleted.is_(False))


def unite_labels(source: Conversation, target: Conversation) -> Sequence[Label]:
    """Give the target the source's labels, as far as it has room. Returns those that it gained."""
    query = (
        select(Label)
        .join(ConversationLabel, ConversationLabel.label_id == Label.id)
        .where(ConversationLabel.conversation_id == source.id)
        .order_by(Label.id)
        .with_for_update(read=True, key_share=True, of=Label)  # none is deleted meanwhile
    )
    missing = [label for label in db.session.scalars(query) if label not in target.labels]
    gained = missing[: LABELS_PER_CONVERSATION - len(target.labels)]
    target.labels.extend(gained)
    return gained


def unite_read_markers(source: Conversation, target: Conversation) -> None:
    """What was unread stays unread: the markers of users who have read in both conversations, and
    the contact's, go up to the first unread message of either. A user who has read in one of them
    only keeps that marker, or the lack of one."""
    both = (source.id, target.id)
    markers: dict[int, dict[int, ReadMarker]] = {}
    query = select(ReadMarker).where(ReadMarker.conversation_id.in_(both))
    for marker in db.session.scalars(query.execution_options(populate_existing=True)):
        markers.setdefault(marker.user_id, {})[marker.conversation_id] = marker
    for of_user in markers.values():
        if len(of_user) == len(both):
            read = {id: marker.message_id for id, marker in of_user.items()}
            message_id = read_in_both(read, QUESTION)
            if message_id is None:
                db.session.delete(of_user[target.id])
            else:
                of_user[target.id].message_id = message_id
    read = {each.id: each.contact_read_id or 0 for each in (source, target)}
    target.contact_read_id = read_in_both(read, REPLY)


def read_in_both(read: Mapping[int, int], counted: ColumnElement[bool]) -> int | None:
    """The message before the first one that counts and is not read; without one, the last that is.
    `read`: the conversations, with the message up to which each was read."""
    unread = or_(
        *(and_(Message.conversation_id == id, Message.id > up_to) for id, up_to in read.items())
    )
    first = db.session.scalar(select(func.min(Message.id)).where(unread, counted))
    if first is None:
        return max(read.values()) or None
    here = Message.conversation_id.in_(read)
    last: int | None = db.session.scalar(
        select(func.max(Message.id)).where(here, Message.id < first)
    )
    return last


def unite_drafts(source: Conversation, target: Conversation) -> None:
    """Append what users have written and not sent in the source to their drafts in the target. A
    text for which there is no room stays in the source.

    A draft that is being saved is waited for. One that is being begun waits for the merge, by its
    foreign key, and is refused then: `save_draft`.
    """
    row = select(Conversation.id).where(Conversation.id == source.id)
    db.session.execute(row.with_for_update())
    query = select(Draft).where(Draft.conversation_id == source.id).with_for_update()
    for draft in db.session.scalars(query.execution_options(populate_existing=True)).all():
        if is_blank(draft.reply) and is_blank(draft.note):
            continue
        key = (draft.user_id, target.id)
        other = db.session.get(Draft, key, populate_existing=True)
        if other is None:
            other = Draft(user_id=draft.user_id, conversation_id=target.id, reply="", note="")
            other.version = 0
            db.session.add(other)
        for kind in ("reply", "note"):
            texts = [text for each in (other, draft) if not is_blank(text := getattr(each, kind))]
            united = "\n\n".join(texts)
            if len(united) <= CONTENT_LIMIT:
                setattr(other, kind, united)
                setattr(draft, kind, "")
        other.version += 1
        draft.version += 1
