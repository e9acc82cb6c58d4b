"""Inboxes: their members and settings."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from rtapp.config import ASSIGNMENT_CAP_LIMIT
from rtapp.extensions import db
from rtapp.models import Inbox
from rtapp.services.change_inbox_members import add_to_inbox
from rtapp.services.change_inbox_members import remove_from_inbox
from rtapp.services.change_inbox_settings import change_inbox_settings

from .find import inbox_with
from .find import user_with

inbox = AppGroup("inbox", help="Inboxes: their members and settings.")


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
