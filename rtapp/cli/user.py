"""People who sign in."""

import click
from sqlalchemy import select

from rtapp import clock
from rtapp.config import NAME_LIMIT
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import User
from rtapp.services.create_user import create_user
from rtapp.services.disable_user import disable_user
from rtapp.services.disable_user import enable_user
from rtapp.validation import Address
from rtapp.validation import Name

from .find import user_with
from .given import new_password
from .given import valid
from .group import Group

user = Group("user", help="People who sign in: make, disable, enable.")


@user.command("create")
@click.argument("email")
@click.option("--name", required=True, help="As colleagues and customers read it.")
def create(email: str, name: str) -> None:
    """Make a user. The password is read from standard input. Does nothing if there is one."""
    email = valid("email", Address, email, 254)
    name = valid("name", Name, name, NAME_LIMIT)
    if db.session.scalar(select(User.id).where(User.email == email)) is not None:
        click.echo(f"There is a user {email} already; nothing was changed.")
        return
    made = create_user(name, email, new_password())
    if made is None:
        click.echo(f"There is a user {email} already; nothing was changed.")
        return
    click.echo(f"{email} is user {made.id}. Next: flask --app app member add ACCOUNT {email}")


@user.command("list")
def list_users() -> None:
    """Print the users, one a line: id, state, address, name."""
    for row in db.session.scalars(select(User).order_by(User.id)):
        since = row.disabled_at
        state = "enabled" if since is None else f"disabled {clock.rfc3339(since)}"
        click.echo(f"{row.id}\t{state}\t{row.email}\t{row.name}")


@user.command("disable")
@click.argument("email")
def disable(email: str) -> None:
    """Have a user sign in nowhere any more, from now on: sessions, tokens and streams end."""
    row = user_with(email)
    try:
        changed = disable_user(row)
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    if changed:
        click.echo(f"{row.email} can't sign in any more. To undo it: user enable {row.email}")
    else:
        click.echo(f"{row.email} is disabled already; nothing was changed.")


@user.command("enable")
@click.argument("email")
def enable(email: str) -> None:
    """Have a disabled user sign in again, with the password that they had."""
    row = user_with(email)
    if enable_user(row):
        click.echo(f"{row.email} can sign in again. A new password: password link {row.email}")
    else:
        click.echo(f"{row.email} is not disabled; nothing was changed.")
