from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Website


def new_visitor(website: Website) -> Contact:
    """Make the contact of a visitor who is nobody yet. Part of the caller's transaction."""
    contact = Contact(account_id=website.inbox.account_id, name="Visitor")
    db.session.add(contact)
    db.session.flush()
    contact.name = f"Visitor {contact.id}"
    return contact
