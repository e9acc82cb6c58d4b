"""Bearer tokens for scripts and visitors."""

import click
from flask.cli import AppGroup

from rtapp import auth

from .find import contact_with
from .find import user_with

CUSTOMER_TOKEN_LIFETIME = 24 * 60 * 60  # s, the default of --expires-in

token = AppGroup("token", help="Bearer tokens for scripts and visitors.")


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
