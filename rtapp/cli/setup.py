"""The first account, without a browser."""

import click

from rtapp import first_run
from rtapp.config import NAME_LIMIT
from rtapp.errors import Unprocessable
from rtapp.services.set_up import AlreadySetUp
from rtapp.services.set_up import set_up
from rtapp.validation import Address
from rtapp.validation import Name

from .given import current_settings
from .given import new_password
from .given import valid
from .group import Group

setup = Group("setup", help="The first account of an empty database.")


@setup.command("link")
def print_link() -> None:
    """Print the link to the page that sets rtapp up in a browser."""
    if not first_run.is_needed():
        click.echo(f"rtapp has been set up. Sign in: {current_settings().base_url}/login")
        return
    click.echo(first_run.link())


@setup.command("create")
@click.option("--account", required=True, help="The company or team.")
@click.option("--name", required=True, help="The administrator's name.")
@click.option("--email", required=True, help="The administrator's address, to sign in with.")
def create(account: str, name: str, email: str) -> None:
    """Make the first account, its administrator and an inbox. The password is read from standard
    input. Does nothing if there is an account."""
    if not first_run.is_needed():
        click.echo("rtapp has been set up already; nothing was changed.")
        return
    account = valid("account", Name, account, NAME_LIMIT)
    name = valid("name", Name, name, NAME_LIMIT)
    email = valid("email", Address, email, 254)
    try:
        user = set_up(account, name, email, new_password())
    except AlreadySetUp:
        click.echo("rtapp has been set up already; nothing was changed.")
        return
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    click.echo(f"{user.email} is the administrator. Sign in: {current_settings().base_url}/login")
