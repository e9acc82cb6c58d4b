"""Administration commands: `flask --app app …`. Each works while the server runs."""

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy import select

from rtapp import auth
from rtapp import clock
from rtapp import vapid as vapid_keys
from rtapp.config import ASSIGNMENT_CAP_LIMIT
from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.events.outbox import dead_letters
from rtapp.events.outbox import retry
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Inbox
from rtapp.models import Membership
from rtapp.models import User
from rtapp.passwords import DEMO_PASSWORD
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_inbox_settings import change_inbox_settings
from rtapp.services.change_membership import change_membership
from rtapp.services.change_password import change_password

CUSTOMER_TOKEN_LIFETIME = 24 * 60 * 60  # s, the default of --expires-in

token = AppGroup("token", help="Bearer tokens for scripts and visitors.")
inbox = AppGroup("inbox", help="Inboxes: their members and settings.")
member = AppGroup("member", help="Roles and visibility of an account's members.")
password = AppGroup("password", help="Passwords.")
outbox = AppGroup("outbox", help="Events that could not be published.")
vapid = AppGroup("vapid", help="The key of push notifications.")

GROUPS = (token, inbox, member, password, outbox, vapid)


@token.command("create")
@click.argument("email")
@click.option("--expires-in", type=click.IntRange(min=1), metavar="SECONDS", help="Else never.")
def create(email: str, expires_in: int | None) -> None:
    """Print a bearer token for the user with this EMAIL, and nothing else."""
    click.echo(auth.create_token(user_with(email), expires_in))


@token.command("visitor")
@click.argument("email")
@click.option("--account", "account_id", type=int, help="Where several have such a contact.")
@click.option(
    "--expires-in",
    type=click.IntRange(min=1),
    metavar="SECONDS",
    default=CUSTOMER_TOKEN_LIFETIME,
    show_default=True,
)
def visitor(email: str, account_id: int | None, expires_in: int) -> None:
    """Print a visitor's token for the contact with this EMAIL, and nothing else."""
    click.echo(auth.create_customer_token(contact_with(email, account_id), expires_in))


@inbox.command("add")
@click.argument("inbox_id", type=click.IntRange(min=1))
@click.argument("email")
def add(inbox_id: int, email: str) -> None:
    """Add the user with this EMAIL to an inbox."""
    add_to_inbox(inbox_with(inbox_id), user_with(email))


@inbox.command("remove")
@click.argument("inbox_id", type=click.IntRange(min=1))
@click.argument("email")
def remove(inbox_id: int, email: str) -> None:
    """Remove a user from an inbox, and close the streams that the membership allowed."""
    remove_from_inbox(inbox_with(inbox_id), user_with(email))


@inbox.command("list")
def list_inboxes() -> None:
    """Print the inboxes, one a line: id, account, automatic assignment, cap, name."""
    for row in db.session.scalars(select(Inbox).order_by(Inbox.id)):
        cap = row.assignment_cap or "-"
        on = "on" if row.auto_assign else "off"
        click.echo(f"{row.id}\t{row.account_id}\t{on}\t{cap}\t{row.name}")


@inbox.command("set")
@click.argument("inbox_id", type=click.IntRange(min=1))
@click.option("--auto-assign/--no-auto-assign", default=None, help="Else as it is.")
@click.option(
    "--cap",
    type=click.IntRange(0, ASSIGNMENT_CAP_LIMIT),
    help="Most open conversations of a member; 0: no limit. Else as it is.",
)
def set_inbox(inbox_id: int, auto_assign: bool | None, cap: int | None) -> None:
    """Set whether an inbox assigns conversations automatically, and up to how many."""
    row = inbox_with(inbox_id)
    change_inbox_settings(
        row,
        auto_assign=row.auto_assign if auto_assign is None else auto_assign,
        assignment_cap=row.assignment_cap if cap is None else cap or None,
    )


@member.command("set")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("email")
@click.option("--role", type=click.Choice(["administrator", "agent"]), default="agent")
@click.option("--sees", type=click.Choice(["inbox", "assigned"]), default="inbox")
def set_member(account_id: int, email: str, role: str, sees: str) -> None:
    """Set a member's role, and which conversations they see as an agent."""
    user = user_with(email)
    membership = db.session.scalar(
        select(Membership).where(Membership.account_id == account_id, Membership.user_id == user.id)
    )
    if membership is None:
        raise click.ClickException(f"{email} is no member of account {account_id}.")
    change_membership(membership, role=role, sees=sees)


@password.command("set")
@click.argument("email")
@click.password_option()
def set_password(email: str, password: str) -> None:
    """Change a password, and sign the user out everywhere."""
    if not PASSWORD_LENGTH <= len(password) <= PASSWORD_LIMIT:
        raise click.ClickException(
            f"A password must have {PASSWORD_LENGTH} to {PASSWORD_LIMIT} characters."
        )
    if current_app.config["PRODUCTION"] and password == DEMO_PASSWORD:
        raise click.ClickException("This is the demo's password, which everybody can look up.")
    change_password(user_with(email), password)


@outbox.command("list")
def list_dead_letters() -> None:
    """Print the dead letters, one a line: id, time, event, topics, error."""
    for row in dead_letters():
        assert row.dead_lettered_at is not None
        when, topics = clock.rfc3339(row.dead_lettered_at), ",".join(row.topics)
        click.echo(f"{row.id}\t{when}\t{row.event}\t{topics}\t{row.error}")


@outbox.command("retry")
def retry_dead_letters() -> None:
    """Requeue the dead letters. The running or the next server publishes them."""
    click.echo(f"{retry()} events are tried again.")


@vapid.command("create")
def create_key() -> None:
    """Print a new key for VAPID_PRIVATE_KEY, and nothing else. With another key than before, every
    browser must subscribe again."""
    click.echo(vapid_keys.make_private_key())


def user_with(email: str) -> User:
    user: User | None = db.session.scalar(select(User).where(User.email == email.strip().lower()))
    if user is None:
        raise click.ClickException(f"There is no user with the address {email}.")
    return user


def contact_with(email: str, account_id: int | None) -> Contact:
    contacts = select(Contact).where(Contact.email == email.strip().lower())
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
