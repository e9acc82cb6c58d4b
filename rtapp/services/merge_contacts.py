"""Merges of contacts, and their undo log.

A merge moves the conversations of one contact, the source, to another one, the target. The source
keeps its row, fields and messages: it is still the sender of what it wrote, its address leads new
conversations and searches to the target, and its customer's tokens open the conversations there. So
a merge loses nothing, and undoing it restores the source as it was.
"""

from collections.abc import Collection
from collections.abc import Sequence

from sqlalchemy import ColumnElement
from sqlalchemy import select
from sqlalchemy import update

from rtapp import clock
from rtapp.errors import Unprocessable
from rtapp.events import announce
from rtapp.events import control
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Agent
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import Principal
from rtapp.models import Website

from .change_contact import refuse_merged
from .publish_contact import publish_contact
from .row_lock import lock
from .row_lock import unlock
from .undo_log import point
from .undo_log import refuse_late


def merge_contacts(user: Agent, source: Contact, target: Contact) -> None:
    """Move the source's conversations to the target. A merge that is done already changes nothing.

    Raises Unprocessable if both are one contact or of two accounts, Conflict if one of them was
    merged into another contact meanwhile.
    """
    refuse_one(source, target)
    lock_both(source, target)
    if source.merged_into_id == target.id:
        unlock()
        return
    refuse_merged(source)
    refuse_merged(target)
    move_into(source, target, by=user)
    db.session.commit()


def lock_both(source: Contact, target: Contact) -> None:
    for contact in sorted((source, target), key=lambda each: each.id):
        lock(contact)


def move_into(source: Contact, target: Contact, *, by: Principal) -> None:
    """Merge the source into the target, on behalf of a user, or of the customer who is both. Part
    of the caller's transaction, which has locked both; neither is merged."""
    conversation_ids = move_conversations(Conversation.contact_id == source.id, target)
    contact_ids = point(Contact.merged_into_id == source.id, target)
    source.merged_into_id = target.id
    source.version += 1
    name_aliases(target)
    merge = ContactMerge(
        account_id=source.account_id,
        source_id=source.id,
        target_id=target.id,
        conversation_ids=sorted(conversation_ids),
        contact_ids=sorted(contact_ids),
        merged_by_id=by.id if isinstance(by, Agent) else None,
        merged_at=clock.now(),
    )
    db.session.add(merge)
    db.session.flush()
    publish_contact(by, source.account_id, conversation_ids)
    reset_visitors(source.account_id, (source.id, target.id))
    for id in (source.id, *contact_ids):
        control.recheck(-id)  # the id under which a customer's streams are open


def undo_merge(user: Agent, merge: ContactMerge) -> None:
    """Restore the source, with the conversations that moved and have stayed with the contact that
    has the source's now. A merge that is undone already changes nothing.

    Raises Conflict if the source was merged again meanwhile, or after UNDO_DAYS.
    """
    source = db.session.get_one(Contact, merge.source_id)
    if source.merged_into_id is None:
        unlock()
        return
    owner = db.session.get_one(Contact, source.merged_into_id)
    # The owner first: it guards the contacts that are merged into it.
    lock(owner)
    lock(source)
    db.session.refresh(merge)
    if merge.undone_at is not None and source.merged_into_id is None:
        unlock()
        return
    refuse_late(merge, source, owner, presenters.contact(owner))
    conversation_ids = move_conversations(of_owner(merge, owner), source)
    of_source = Contact.id.in_(merge.contact_ids)
    contact_ids = point(of_source & (Contact.merged_into_id == owner.id), source)
    source.merged_into_id = None
    source.version += 1
    name_aliases(owner)
    name_aliases(source)
    merge.undone_by_id, merge.undone_at = user.id, clock.now()
    db.session.flush()
    publish_contact(user, source.account_id, conversation_ids)
    reset_visitors(source.account_id, (source.id, owner.id))
    recheck_customers((owner.id, source.id, *contact_ids), conversation_ids)
    db.session.commit()


def refuse_one(source: Contact, target: Contact) -> None:
    if source.id == target.id or source.account_id != target.account_id:
        raise Unprocessable(
            "A contact is merged into another one of the account.",
            errors={"into": ["must be another contact of the account"]},
        )


def of_owner(merge: ContactMerge, owner: Contact) -> ColumnElement[bool]:
    moved = Conversation.id.in_(merge.conversation_ids)
    return moved & (Conversation.contact_id == owner.id)


def move_conversations(which: ColumnElement[bool], to: Contact) -> Sequence[int]:
    """Lock these conversations, and give them to a contact. Returns their ids.

    A conversation that was merged goes with the one that has its messages, wherever it was before.
    """
    statement = (
        update(Conversation)
        .where(which, Conversation.merged_into_id.is_(None))
        .values(contact_id=to.id, version=Conversation.version + 1)
        .returning(Conversation.id)
        .execution_options(synchronize_session=False)
    )
    ids = db.session.scalars(statement).all()
    merged = update(Conversation).where(Conversation.merged_into_id.in_(ids))
    db.session.execute(merged.values(contact_id=to.id).execution_options(synchronize_session=False))
    return ids


def name_aliases(contact: Contact) -> None:
    """Note the names and addresses of the contacts that are merged into this one."""
    query = select(Contact.name, Contact.email).where(Contact.merged_into_id == contact.id)
    rows = db.session.execute(query.order_by(Contact.id)).all()
    contact.aliases = " ".join(text for row in rows for text in row if text)


def reset_visitors(account_id: int, contact_ids: Collection[int]) -> None:
    """Have the visitors of the account's websites who are these contacts fetch their conversations
    again: they have others now."""
    websites = select(Website.inbox_id).join(Inbox).where(Inbox.account_id == account_id)
    inbox_ids = db.session.scalars(websites.order_by(Website.inbox_id)).all()
    announce.visits_lost(contact_ids, inbox_ids, account_id)


def recheck_customers(contact_ids: Collection[int], conversation_ids: Collection[int]) -> None:
    """Close the customers' streams of conversations that are no longer theirs."""
    for id in contact_ids:
        control.recheck(-id)
    for id in conversation_ids:
        control.recheck_thread(id)
