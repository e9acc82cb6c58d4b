"""Accounts: the companies or teams that use this installation."""

import click
from sqlalchemy import select

from rtapp.config import NAME_LIMIT
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Membership
from rtapp.services.create_account import create_account
from rtapp.services.rename_account import rename_account
from rtapp.validation import Name

from .find import account_with
from .find import user_with
from .given import valid
from .group import Group

account = Group("account", help="Accounts: make, rename.")


@account.command("create")
@click.argument("name")
@click.option("--administrator", required=True, metavar="EMAIL", help="A user that there is.")
def create(name: str, administrator: str) -> None:
    """Make an account with an inbox. Does nothing if the administrator has one of this NAME."""
    name, user = valid("name", Name, name, NAME_LIMIT), user_with(administrator)
    if user.disabled_at is not None:
        raise click.ClickException(f"{user.email} is disabled: user enable {user.email}")
    own = (
        select(Account)
        .join(Membership, Membership.account_id == Account.id)
        .where(Account.name == name, Membership.user_id == user.id)
    )
    if (there := db.session.scalar(own.limit(1))) is not None:
        click.echo(f"{user.email} has account {there.id} of this name; nothing was changed.")
        return
    made = create_account(name, user)
    click.echo(f"This is account {made.id}. Next: flask --app app invitation create {made.id}")


@account.command("list")
def list_accounts() -> None:
    """Print the accounts, one a line: id, name."""
    for row in db.session.scalars(select(Account).order_by(Account.id)):
        click.echo(f"{row.id}\t{row.name}")


@account.command("rename")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("name")
def rename(account_id: int, name: str) -> None:
    """Set the name of an account."""
    row = account_with(account_id)
    rename_account(row, valid("name", Name, name, NAME_LIMIT))
    click.echo(f"Account {row.id} is {row.name}.")
