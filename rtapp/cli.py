"""Commands beside the server: `flask --app app …`."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from rtapp import auth
from rtapp.extensions import db
from rtapp.models import User

token = AppGroup("token", help="Bearer tokens for scripts.")


@token.command("create")
@click.argument("email")
@click.option("--expires-in", type=click.IntRange(min=1), metavar="SECONDS", help="Else never.")
def create(email: str, expires_in: int | None) -> None:
    """Prints a bearer token for the user with this EMAIL, and nothing else."""
    user = db.session.scalar(select(User).where(User.email == email.strip().lower()))
    if user is None:
        raise click.ClickException(f"There is no user with the address {email}.")
    click.echo(auth.create_token(user, expires_in))
