"""Passwords."""

import click
from flask import current_app
from flask.cli import AppGroup

from rtapp.config import PASSWORD_LENGTH
from rtapp.config import PASSWORD_LIMIT
from rtapp.passwords import DEMO_PASSWORD
from rtapp.services.change_password import change_password
from rtapp.services.change_password_links import create_password_link

from .find import user_with
from .invitation import print_link

password = AppGroup("password", help="Passwords.")


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


@password.command("link")
@click.argument("email")
def link(email: str) -> None:
    """Print a link with which the user with this EMAIL sets a new password, in place of their open
    ones."""
    print_link(*create_password_link(user_with(email), by=None))
