from collections.abc import Mapping
from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy import update

from rtapp.errors import Conflict
from rtapp.events import announce
from rtapp.events import control
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import Principal

from .account_rows import reset_members
from .account_rows import unique
from .publish_contact import publish_contact
from .row_lock import lock
from .row_lock import refuse_stale
from .row_lock import unlock

# By a thread. Notes are on the contact's page only.
SHOWN = ("name", "email", "phone", "blocked", "given_email")


def change_contact(
    by: Principal,
    contact: Contact,
    values: Mapping[str, str | bool | None],
    *,
    version: int | None = None,
) -> None:
    """Set some of a contact's fields. The same values publish nothing.

    Raises Conflict if the contact was merged into another one or `version` is not the present one,
    Unprocessable if another contact of the account has the address.
    """
    lock(contact)
    refuse_merged(contact)
    changed = {name for name, value in values.items() if getattr(contact, name) != value}
    if not changed:
        unlock()
        return
    refuse_stale(contact, version, presenters.contact)
    # Before the row, whose new address waits for all that refer to the row.
    conversation_ids = touch_conversations(contact) if changed & {*SHOWN} else []
    with unique("email", "contact"):
        for name in changed:
            setattr(contact, name, values[name])
        contact.version += 1
        db.session.flush()
    publish_contact(by, contact.account_id, conversation_ids)
    if "name" in changed:
        reset_elsewhere(contact)
    if changed & {"blocked", "name"}:
        recheck_customers(contact)
    db.session.commit()


def refuse_merged(contact: Contact) -> None:
    if contact.merged_into_id is not None:
        target = db.session.get_one(Contact, contact.merged_into_id)
        detail = "This contact was merged into another one; look at that one and decide again."
        raise Conflict(detail, current=presenters.contact(target))


def recheck_customers(contact: Contact) -> None:
    """Have the streams of the contact's customers authorised again, also of those merged into it:
    a blocked one has none, and a renamed one does not type under the old name."""
    merged = select(Contact.id).where(Contact.merged_into_id == contact.id)
    for id in (contact.id, *db.session.scalars(merged)):
        control.recheck(-id)


def reset_elsewhere(contact: Contact) -> None:
    """Have the clients fetch the threads again in which the contact wrote and that are no longer
    its own, since a merge was undone: no event describes its new name there."""
    query = (
        select(Message.conversation_id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(Message.contact_id == contact.id, Conversation.contact_id != contact.id)
        .distinct()
    )
    elsewhere = db.session.scalars(query).all()
    if elsewhere:
        reset_members(contact.account_id)
        announce.threads_lost(elsewhere, contact.account_id)


def touch_conversations(contact: Contact) -> Sequence[int]:
    """Lock the contact's conversations, and increment their versions. Returns their ids."""
    statement = (
        update(Conversation)
        .where(Conversation.contact_id == contact.id)
        .values(version=Conversation.version + 1)
        .returning(Conversation.id)
        .execution_options(synchronize_session=False)
    )
    return db.session.scalars(statement).all()
