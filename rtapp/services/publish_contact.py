from collections.abc import Sequence

from sqlalchemy import select

from rtapp.config import CONTACT_EVENTS
from rtapp.events import announce
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import Principal

from .account_rows import reset_members


def publish_contact(by: Principal, account_id: int, conversation_ids: Sequence[int]) -> None:
    """Announce the contact that these conversations have now, in each of them that is not merged.

    Part of the caller's transaction, which has changed, and so locked, the conversations. Of more
    than CONTACT_EVENTS, the clients fetch the state again.
    """
    if len(conversation_ids) > CONTACT_EVENTS:
        reset_members(account_id)
        announce.threads_lost(conversation_ids, account_id)
        return
    query = (
        select(Conversation)
        .where(Conversation.id.in_(conversation_ids), Conversation.merged_into_id.is_(None))
        .order_by(Conversation.id)
        .options(*presenters.PRESENTED)
        .execution_options(populate_existing=True)
    )
    for conversation in db.session.scalars(query).all():
        announce.contact_changed(conversation, by)
        announce.conversation_updated(conversation)
