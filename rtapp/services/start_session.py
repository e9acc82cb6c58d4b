"""Sessions of a website's visitors: a token, and the contact whose conversations it opens."""

from typing import NamedTuple

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Website
from rtapp.tokens import Bearer

from .change_tokens import NewToken
from .change_tokens import add_website_token
from .change_tokens import end


class VisitorSession(NamedTuple):
    """`contact` is the one that the token names."""

    contact: Contact
    token: NewToken


def start_session(website: Website, own: Bearer | None) -> VisitorSession:
    """Start a session: of a new anonymous contact, or of the one of the visitor's `own` token,
    which ends, as its streams do."""
    contact = new_contact(website) if own is None else own_contact(own)
    token = add_website_token(contact, website.inbox_id)
    db.session.commit()
    return VisitorSession(contact, token)


def new_contact(website: Website) -> Contact:
    contact = Contact(account_id=website.inbox.account_id, name="Visitor")
    db.session.add(contact)
    db.session.flush()
    contact.name = f"Visitor {contact.id}"
    return contact


def own_contact(own: Bearer) -> Contact:
    end([own.token_id])
    return db.session.get_one(Contact, own.principal.id)
