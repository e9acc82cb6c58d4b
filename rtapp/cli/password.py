"""Passwords."""

import click

from rtapp.errors import Unprocessable
from rtapp.services.change_password import change_password
from rtapp.services.change_password_links import create_password_link

from .find import user_with
from .given import new_password
from .group import Group
from .invitation import print_link

password = Group("password", help="Passwords.")


@password.command("set")
@click.argument("email")
def set_password(email: str) -> None:
    """Change a password, and sign the user out everywhere. It is read from standard input: other
    users of the machine see what stands on a command line."""
    change_password(user_with(email), new_password())
    click.echo(f"{email} is signed out everywhere, and signs in with the new password.")


@password.command("link")
@click.argument("email")
def link(email: str) -> None:
    """Print a link with which the user with this EMAIL sets a new password, in place of their open
    ones."""
    try:
        print_link(*create_password_link(user_with(email), by=None))
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
