"""A contact: its fields, conversations and merges, as a page or as JSON."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

from flask import Blueprint
from flask import jsonify
from flask import redirect
from flask import render_template
from flask import url_for
from pydantic import AfterValidator
from pydantic import BaseModel
from pydantic import ConfigDict
from pydantic import Field
from sqlalchemy import func
from sqlalchemy import or_
from sqlalchemy import select
from sqlalchemy.orm import joinedload
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import clock
from rtapp import queries
from rtapp import text
from rtapp import validation
from rtapp.answers import answer
from rtapp.config import NOTES_LIMIT
from rtapp.config import PAGE_LIMIT
from rtapp.config import PAGE_SIZE
from rtapp.config import PHONE_LIMIT
from rtapp.config import UNDO_DAYS
from rtapp.errors import Conflict
from rtapp.errors import NotFound
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.events import presenters
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Agent
from rtapp.models import Contact
from rtapp.models import ContactMerge
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.services.change_contact import change_contact
from rtapp.services.merge_contacts import merge_contacts
from rtapp.services.merge_contacts import refuse_one
from rtapp.services.merge_contacts import undo_merge
from rtapp.text import canonical_address
from rtapp.validation import Address
from rtapp.validation import Body
from rtapp.validation import KnownVersion
from rtapp.validation import Name
from rtapp.validation import Notes
from rtapp.validation import OrNone
from rtapp.validation import RowId
from rtapp.validation import Text

from .cursor import cursor_of
from .management import NoFields
from .management import Refusal
from .management import refusal

bp = Blueprint("contact", __name__)

MERGE = "merge contacts"

Phone = Annotated[Text, AfterValidator(text.phone), Field(max_length=PHONE_LIMIT)]


class ContactFields(Body):
    """The fields to change: one that is not sent stays as it is."""

    name: Annotated[Name, Field(max_length=200)] = ""
    email: Annotated[Annotated[Address, Field(max_length=254)] | None, OrNone] = None
    phone: Annotated[Phone | None, OrNone] = None
    notes: Annotated[Notes, Field(max_length=NOTES_LIMIT)] = ""
    version: KnownVersion = None


class Blocking(Body):
    """Whether the contact is kept from writing and reading."""

    blocked: bool
    version: KnownVersion = None


class ContactParameters(BaseModel):
    """The page of the contact's conversations."""

    model_config = ConfigDict(extra="forbid")

    before: str | None = None
    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = PAGE_SIZE


class MergeParameters(BaseModel):
    """The contact to merge into: its address, or its id."""

    model_config = ConfigDict(extra="forbid")

    into: Annotated[Text, Field(max_length=254)] | None = None


class Merge(Body):
    into: RowId


@bp.get("/contacts/<id:contact_id>")
def one(contact_id: int) -> Response | str:
    """A contact, with those of its conversations that the user sees. Of a merged contact, the one
    that has its conversations."""
    user = auth.signed_in()
    contact = access.contact_for(user, contact_id)
    parameters = validation.parameters(ContactParameters)
    if not wants_html():
        return jsonify(shown(user, contact, parameters))
    if contact.id != contact_id:
        return redirect(page_of(contact))
    return page(user, contact, parameters)


@bp.post("/contacts/<id:contact_id>")
def change(contact_id: int) -> Response | tuple[str, int]:
    """Change some of a contact's fields."""
    user = auth.signed_in()
    seen = access.contact_for(user, contact_id)
    contact = db.session.get_one(Contact, contact_id)  # the service refuses a merged one
    try:
        new = validation.body(ContactFields)
        values = new.model_dump(exclude_unset=True, exclude={"version"})
        change_contact(user, contact, values, version=new.version)
    except (Conflict, Unprocessable) as problem:
        refused = refusal(problem, seen.id)
        return page(user, access.contact_for(user, contact_id), refused=refused), problem.status
    return answer(presenters.contact(contact), 200, page_of(contact))


@bp.post("/contacts/<id:contact_id>/block")
def block(contact_id: int) -> Response:
    """Keep a contact from writing and reading, or let it again."""
    user = auth.signed_in()
    access.contact_for(user, contact_id)
    contact = db.session.get_one(Contact, contact_id)  # the service refuses a merged one
    new = validation.body(Blocking)
    change_contact(user, contact, {"blocked": new.blocked}, version=new.version)
    return answer(presenters.contact(contact), 200, page_of(contact))


@bp.get("/contacts/<id:contact_id>/merge")
def preview_merge(contact_id: int) -> Response | str | tuple[str, int]:
    """What a merge of this contact into another one would do. For administrators."""
    user = auth.signed_in()
    source = mergeable(user, contact_id)
    into = validation.parameters(MergeParameters).into
    try:
        target = contact_named(user, source, into) if into else None
        if target is not None:
            refuse_one(source, target)
    except Unprocessable as problem:
        return merge_page(source, None, into, refusal(problem, source.id)), 422
    if wants_html():
        return merge_page(source, target, into)
    return jsonify(
        source=presenters.contact(source),
        target=presenters.contact(target) if target is not None else None,
        conversations=conversations_count(source),
    )


@bp.post("/contacts/<id:contact_id>/merge")
def merge(contact_id: int) -> Response:
    """Merge this contact into another one, which takes its conversations. For administrators."""
    user = auth.signed_in()
    mergeable(user, contact_id)
    target = contact_with(user, validation.body(Merge).into)
    merge_contacts(user, db.session.get_one(Contact, contact_id), target)
    return answer(presenters.contact(target), 200, page_of(target))


@bp.post("/contact-merges/<id:merge_id>/undo")
def undo(merge_id: int) -> Response:
    """Undo a merge: the contact has its conversations again. For administrators."""
    user = auth.signed_in()
    row = access.contact_merge_for(user, merge_id)
    access.refuse_agent(access.membership_in(user, row.account_id), MERGE)
    validation.body(NoFields)
    undo_merge(user, row)
    return answer(presenters.contact(row.source), 200, page_of(row.source))


def mergeable(user: Agent, contact_id: int) -> Contact:
    contact = access.contact_for(user, contact_id)
    access.refuse_agent(access.membership_in(user, contact.account_id), MERGE)
    return contact


def contact_named(user: Agent, source: Contact, name: str) -> Contact:
    """The contact of the account with this address or id. Raises Unprocessable without one."""
    if name.strip().isdecimal() and name.isascii():
        return contact_with(user, int(name))
    same = Contact.account_id == source.account_id
    query = select(Contact.id).where(same, Contact.email == canonical_address(name))
    return contact_with(user, db.session.scalar(query) or 0)


def contact_with(user: Agent, id: int) -> Contact:
    try:
        return access.contact_for(user, id)
    except NotFound as error:
        raise Unprocessable(
            "There is no such contact in the account.",
            errors={"into": ["is the address or the number of no contact"]},
        ) from error


def page_of(contact: Contact) -> str:
    return url_for("contact.one", contact_id=contact.id)


def shown(user: Agent, contact: Contact, parameters: ContactParameters) -> dict[str, object]:
    cursor = cursor_of(contact.account_id)
    db.session.refresh(contact)  # the row must not be older than the cursor
    conversations = queries.conversations_of(user, contact, **parameters.model_dump())
    seen = last_seen(user, contact)
    return {
        "contact": presenters.contact(contact),
        "last_seen_at": clock.rfc3339(seen) if seen is not None else None,
        "merges": [presenters.contact_merge(row) for row in merges_into(contact)],
        "conversations": [presenters.conversation(row) for row in conversations.conversations],
        "next_before": conversations.next_before,
        "cursor": cursor,
    }


def page(
    user: Agent,
    contact: Contact,
    parameters: ContactParameters | None = None,
    refused: Refusal | None = None,
) -> str:
    membership = access.membership_in(user, contact.account_id)
    return render_template(
        "contacts/contact.html",
        me=user,
        account=db.session.get_one(Account, contact.account_id),
        may_merge=membership.role == "administrator",
        now=clock.rfc3339(clock.now()),
        notes_limit=NOTES_LIMIT,
        phone_limit=PHONE_LIMIT,
        refused=refused,
        **shown(user, contact, parameters or ContactParameters()),
    )


def merge_page(
    source: Contact, target: Contact | None, into: str | None, refused: Refusal | None = None
) -> str:
    return render_template(
        "contacts/merge.html",
        account=db.session.get_one(Account, source.account_id),
        source=presenters.contact(source),
        target=presenters.contact(target) if target is not None else None,
        conversations=conversations_count(source),
        into=into or "",
        undo_days=UNDO_DAYS,
        refused=refused,
    )


def conversations_count(contact: Contact) -> int:
    """The number of the contact's conversations, for an administrator, who sees all."""
    own = (Conversation.contact_id == contact.id, Conversation.merged_into_id.is_(None))
    count = select(func.count()).where(*own)
    return db.session.scalar(count) or 0


def last_seen(user: Agent, contact: Contact) -> datetime | None:
    """The latest moment at which the contact is known to have been there, by the conversations that
    the user sees: that of a message that they wrote or have read. None without one."""
    query = (
        select(func.max(Message.created_at))
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Conversation.contact_id == contact.id,
            access.SEEN,
            or_(Message.contact_id.is_not(None), Message.id == Conversation.contact_read_id),
        )
    )
    seen: datetime | None = db.session.scalar(query, {"viewer": user.id})
    return seen


def merges_into(contact: Contact) -> Sequence[ContactMerge]:
    """The merges of the contacts whose conversations this one has, the newest first."""
    query = (
        select(ContactMerge)
        .join(Contact, Contact.id == ContactMerge.source_id)
        .where(Contact.merged_into_id == contact.id, ContactMerge.undone_at.is_(None))
        .order_by(ContactMerge.id.desc())
        .options(joinedload(ContactMerge.source), joinedload(ContactMerge.merged_by))
    )
    return db.session.scalars(query).all()
