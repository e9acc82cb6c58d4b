from collections.abc import Mapping

from rtapp import access
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import CustomerIdentity

from .change_contact import change_contact


def change_own_contact(visitor: CustomerIdentity, given: Mapping[str, str | None]) -> None:
    """Note the `name` and the `email` that a visitor of a website has typed.

    Nobody has proved the address, so it is no more than a note and identifies no contact. Raises
    Unprocessable for another name than that of a contact whom the website or the team has named.
    """
    contact = access.own_contact(visitor)
    if given.get("name", contact.name) != contact.name:
        refuse_known(visitor, contact)
    values = {"given_email" if name == "email" else name: text for name, text in given.items()}
    if "email" in given and contact.id != visitor.id:
        # What another visitor of the contact typed is not shown to this one.
        db.session.get_one(Contact, visitor.id).given_email = given["email"]
    change_contact(visitor, contact, values)


def refuse_known(visitor: CustomerIdentity, contact: Contact) -> None:
    if contact.id != visitor.id or contact.email is not None or access.has_proved(visitor):
        raise Unprocessable(
            "Your name is known here, and can't be changed in the chat; ask support to change it.",
            errors={"name": ["is known here, and can't be changed in the chat"]},
        )
