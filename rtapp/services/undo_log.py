"""What undoing a merge of contacts and one of conversations have in common."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement
from sqlalchemy import update

from rtapp import clock
from rtapp.config import UNDO_DAYS
from rtapp.errors import Conflict
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import ConversationMerge

Mergeable = Contact | Conversation


def refuse_late(
    merge: ContactMerge | ConversationMerge,
    source: Mergeable,
    owner: Mergeable,
    current: Mapping[str, Any],
) -> None:
    """Raises Conflict, with the owner as `current`, if the source was merged again meanwhile, or
    after UNDO_DAYS."""
    if merge.undone_at is not None or source.merged_into_id != owner.id:
        noun = type(source).__name__.lower()
        raise Conflict(f"The {noun} was merged again meanwhile.", current=current)
    if clock.now() > merge.undo_until:
        raise Conflict(f"A merge can be undone for {UNDO_DAYS} days only.", current=current)


def point(which: ColumnElement[bool], to: Mergeable) -> Sequence[int]:
    """Have these merged contacts, or conversations, lead to another one. Returns their ids."""
    model = type(to)
    statement = (
        update(model)
        .where(which)
        .values(merged_into_id=to.id)
        .returning(model.id)
        .execution_options(synchronize_session=False)
    )
    return db.session.scalars(statement).all()
