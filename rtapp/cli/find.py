"""Rows as commands name them. Each function raises ClickException if there is no such row."""

import click
from sqlalchemy import select

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Inbox
from rtapp.models import User
from rtapp.text import canonical_address


def user_with(email: str) -> User:
    user: User | None = db.session.scalar(
        select(User).where(User.email == canonical_address(email))
    )
    if user is None:
        raise click.ClickException(f"There is no user with the address {email}.")
    return user


def contact_with(email: str, account_id: int | None) -> Contact:
    contacts = select(Contact).where(Contact.email == canonical_address(email))
    if account_id is not None:
        contacts = contacts.where(Contact.account_id == account_id)
    found = db.session.scalars(contacts).all()
    if not found:
        raise click.ClickException(f"There is no contact with the address {email}.")
    if len(found) > 1:
        raise click.ClickException("Several accounts have such a contact; name one: --account ID.")
    return found[0]


def inbox_with(id: int) -> Inbox:
    found = db.session.get(Inbox, id)
    if found is None:
        raise click.ClickException(f"There is no inbox {id}.")
    return found
