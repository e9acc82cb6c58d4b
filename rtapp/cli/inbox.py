"""Inboxes: their members and settings."""

import click
from sqlalchemy import select

from rtapp.config import ASSIGNMENT_CAP_LIMIT
from rtapp.config import NAME_LIMIT
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_inbox_settings import change_inbox_settings
from rtapp.services.change_inbox_settings import rename_inbox
from rtapp.services.create_inbox import create_inbox
from rtapp.validation import Name

from .find import account_with
from .find import inbox_with
from .find import membership_of
from .find import user_with
from .given import valid
from .group import Group

inbox = Group("inbox", help="Inboxes: their members and settings.")


@inbox.command("create")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("name")
def create(account_id: int, name: str) -> None:
    """Make an inbox in an account. Does nothing if it has one of this NAME."""
    account, name = account_with(account_id), valid("name", Name, name, NAME_LIMIT)
    own = select(Inbox).where(Inbox.account_id == account.id, Inbox.name == name)
    if (there := db.session.scalar(own)) is not None:
        click.echo(f"There is inbox {there.id} of this name; nothing was changed.")
        return
    try:
        made = create_inbox(account.id, name)
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    click.echo(f"This is inbox {made.id}. Next: flask --app app inbox add {made.id} EMAIL")


@inbox.command("rename")
@click.argument("inbox_id", type=click.IntRange(min=1))
@click.argument("name")
def rename(inbox_id: int, name: str) -> None:
    """Set the name of an inbox."""
    row, name = inbox_with(inbox_id), valid("name", Name, name, NAME_LIMIT)
    try:
        if name != row.name:
            rename_inbox(row, name)
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    click.echo(f"Inbox {row.id} is {row.name}.")


@inbox.command("add")
@click.argument("inbox_id", type=click.IntRange(min=1))
@click.argument("email")
def add(inbox_id: int, email: str) -> None:
    """Add the user with this EMAIL to an inbox."""
    row, user = inbox_with(inbox_id), user_with(email)
    membership_of(user, row.account_id)
    add_to_inbox(row, user)
    click.echo(f"{user.email} is a member of inbox {row.id}, {row.name}.")


@inbox.command("remove")
@click.argument("inbox_id", type=click.IntRange(min=1))
@click.argument("email")
def remove(inbox_id: int, email: str) -> None:
    """Remove a user from an inbox, and close the streams that the membership allowed."""
    row, user = inbox_with(inbox_id), user_with(email)
    if db.session.get(InboxMember, (row.id, user.id)) is not None:
        remove_from_inbox(row, user)
    click.echo(f"{user.email} is no member of inbox {row.id}, {row.name}.")


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
