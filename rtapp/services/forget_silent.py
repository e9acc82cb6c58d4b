from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy import exists
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import Identity
from rtapp.models import Message
from rtapp.models import Token


def forget_silent(contact_ids: Sequence[int | None]) -> None:
    """Delete those of these visitors who have no token any more, have never written, and of whom
    the team has noted nothing. Part of the caller's transaction, which has ended their tokens."""
    used = or_(
        exists().where(Token.contact_id == Contact.id),
        exists().where(Message.contact_id == Contact.id),
        exists().where(Conversation.contact_id == Contact.id),
        exists().where(ContactMerge.source_id == Contact.id),
        exists().where(ContactMerge.target_id == Contact.id),
    )
    silent = select(Contact.id).where(
        Contact.id.in_(contact_ids),
        ~used,
        Contact.merged_into_id.is_(None),
        Contact.blocked.is_(False),
        Contact.notes == "",
        Contact.phone.is_(None),
    )
    ids = db.session.scalars(silent).all()
    if not ids:
        return
    try:
        with db.session.begin_nested():
            db.session.execute(delete(Identity).where(Identity.contact_id.in_(ids)))
            db.session.execute(delete(Contact).where(Contact.id.in_(ids)))
    except IntegrityError:
        pass  # one of them writes in this moment: they stay
