"""Rows as commands name them. Each function raises ClickException if there is no such row."""

import click
from sqlalchemy import select

from rtapp.config import ID_LIMIT
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Inbox
from rtapp.models import Membership
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
    found = db.session.get(Inbox, id) if id <= ID_LIMIT else None
    if found is None:
        raise click.ClickException(f"There is no inbox {id}.")
    return found


def account_with(id: int) -> Account:
    found = db.session.get(Account, id) if id <= ID_LIMIT else None
    if found is None:
        raise click.ClickException(f"There is no account {id}: see account list.")
    return found


def membership_of(user: User, account_id: int) -> Membership:
    found: Membership | None = db.session.scalar(
        select(Membership).where(
            Membership.account_id == account_with(account_id).id, Membership.user_id == user.id
        )
    )
    if found is None:
        raise click.ClickException(f"{user.email} is no member of account {account_id}.")
    return found
