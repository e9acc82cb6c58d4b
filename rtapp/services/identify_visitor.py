"""The contact of a website's user who proves who they are.

Two proofs count: the website's JWT, for the `sub` in it, and the visitor's own token, for the
contact that they were until now. Conversations move only where both are there, and only from a
contact that is nobody's yet. An e-mail address, stated or typed, moves nothing.
"""

from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import IntegrityError

from rtapp import access
from rtapp import clock
from rtapp.claims import Claims
from rtapp.claims import InvalidClaims
from rtapp.claims import claims_of
from rtapp.errors import NotFound
from rtapp.errors import Unauthorized
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Identity
from rtapp.models import Website
from rtapp.website_secrets import secrets_of

from .change_contact import touch_conversations
from .merge_contacts import lock_both
from .merge_contacts import move_into
from .new_visitor import new_visitor
from .publish_contact import publish_contact
from .row_lock import lock


def identify_visitor(website: Website, token: str, own: Contact | None) -> Contact:
    """Return the contact of the JWT's `sub` in the website's inbox. Part of the caller's
    transaction, which ends the visitor's own token.

    `own`: the contact of the visitor's own token of this inbox, if they have one. If it is nobody's
    yet, its conversations are the `sub`'s from now on; if the `sub` is new here, it becomes the
    `sub`'s. A contact that an agent has merged into another one stays where it is. Raises
    Unauthorized for a JWT that does not hold, Forbidden if the contact is blocked, NotFound if the
    website was removed meanwhile.
    """
    claims = verified(website, token)
    lock_website(website)
    identity = db.session.get(Identity, (website.inbox_id, claims.subject))
    if identity is None:
        contact = own if own is not None and not is_identified(own) else new_visitor(website)
        row = Identity(inbox_id=website.inbox_id, subject=claims.subject, contact_id=contact.id)
        db.session.add(row)
        db.session.flush()
    else:
        contact = db.session.get_one(Contact, identity.contact_id)
        if own is not None:
            unite(own, contact)
    refuse_blocked(contact)
    describe(contact, claims, is_new=identity is None)
    return contact


def verified(website: Website, token: str) -> Claims:
    try:
        return claims_of(token, secrets_of(website), clock.now())
    except InvalidClaims as error:
        raise Unauthorized(
            f"The website's JWT {error}.",
            errors={"jwt": [str(error)]},
            headers={"WWW-Authenticate": "Bearer"},  # RFC 9110, section 15.5.2
        ) from error


def lock_website(website: Website) -> None:
    """Lock the row until the transaction ends: of two requests for one new `sub`, the second
    finds the contact of the first. It comes before the contacts' locks."""
    row = Website.inbox_id == website.inbox_id
    statement = update(Website).where(row).values(key=Website.key).returning(Website.inbox_id)
    statement = statement.execution_options(synchronize_session=False)
    if db.session.scalar(statement) is None:
        raise NotFound


def is_identified(contact: Contact) -> bool:
    """Whether the contact's conversations are those of a proven user."""
    query = (
        select(Identity.subject)
        .join(Contact, Contact.id == Identity.contact_id)
        .where(func.coalesce(Contact.merged_into_id, Contact.id) == current(contact).id)
        .limit(1)
    )
    return db.session.scalar(query) is not None


def current(contact: Contact) -> Contact:
    """The contact that has this one's conversations now."""
    if contact.merged_into_id is None:
        return contact
    return db.session.get_one(Contact, contact.merged_into_id)


def unite(own: Contact, contact: Contact) -> None:
    """Move what is the visitor's own to the contact, unless it is another proven user's."""
    if own.merged_into_id is not None or own.id == contact.id or is_identified(own):
        return
    target = current(contact)
    lock_both(own, target)
    while target.merged_into_id is not None:  # by an agent, while this waited for the locks
        target = current(target)
        lock_both(own, target)
    if own.merged_into_id is None and own.id != target.id:
        move_into(own, target, by=target)


def refuse_blocked(contact: Contact) -> None:
    if current(contact).blocked:
        raise access.blocked()


def describe(contact: Contact, claims: Claims, *, is_new: bool) -> None:
    """Give the contact the name and the address that the website states now: it knows its user.

    A contact that was merged into another one keeps what agents decided. An address that another
    contact of the account has is only noted: agents see it, and decide. `is_new`: it is proved for
    the first time, which agents see too.
    """
    lock(contact)
    if contact.merged_into_id is not None:
        if is_new:
            kept = current(contact)
            publish_contact(contact, contact.account_id, touch_conversations(kept))
        return
    name, email = claims.name or contact.name, claims.email or contact.email
    refused = email == contact.given_email and not is_free(contact, email)
    if name == contact.name and (email == contact.email or refused) and not is_new:
        return
    conversation_ids = touch_conversations(contact)
    contact.name = name
    contact.version += 1
    db.session.flush()
    if email != contact.email and not take_address(contact, email):
        contact.given_email = email
    db.session.flush()
    publish_contact(contact, contact.account_id, conversation_ids)


def is_free(contact: Contact, email: str | None) -> bool:
    """Whether no other contact of the account has the address."""
    query = select(Contact.id).where(
        Contact.account_id == contact.account_id, Contact.email == email, Contact.id != contact.id
    )
    return db.session.scalar(query) is None


def take_address(contact: Contact, email: str | None) -> bool:
    """Whether the contact has the address now. Another request may take it at the same time."""
    if not is_free(contact, email):
        return False
    try:
        with db.session.begin_nested():
            contact.email = email
            db.session.flush()
    except IntegrityError:
        db.session.refresh(contact)
        return False
    return True
