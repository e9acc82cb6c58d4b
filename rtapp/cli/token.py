"""Bearer tokens for scripts and visitors."""

import click
from sqlalchemy import func
from sqlalchemy import select

from rtapp import clock
from rtapp import scopes
from rtapp.config import ID_LIMIT
from rtapp.config import TOKEN_LIFETIME
from rtapp.config import TOKEN_NAME_LIMIT
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Token
from rtapp.models import User
from rtapp.services.change_second_factor import has_second_factor
from rtapp.services.change_second_factor import requiring_account
from rtapp.services.change_tokens import create_token
from rtapp.services.change_tokens import create_visitor_token
from rtapp.services.change_tokens import revoke_token

from .find import contact_with
from .find import user_with
from .group import Group

CUSTOMER_TOKEN_LIFETIME = 24 * 60 * 60  # s, the default of --expires-in
LIFETIME = click.IntRange(1, TOKEN_LIFETIME)

token = Group("token", help="Bearer tokens for scripts and visitors.")


@token.command("create")
@click.argument("email")
@click.option("--name", default="Command line", show_default=True, help="What it is for.")
@click.option(
    "--scope",
    type=click.Choice(scopes.SCOPES),
    default=scopes.WRITE,
    show_default=True,
    help="read: pages and streams; write: actions too; admin: accounts and tokens too.",
)
@click.option("--expires-in", type=LIFETIME, metavar="SECONDS", help="Else never.")
def create(email: str, name: str, scope: str, expires_in: int | None) -> None:
    """Print a bearer token for the user with this EMAIL, and nothing else. It can't be printed
    again."""
    user = user_with(email)
    requiring = requiring_account(user.id)
    if requiring and not has_second_factor(user.id):
        raise click.ClickException(
            f"{requiring} requires two-step sign-in, which {user.email} has not set up, so a token "
            "would go around it. Have them sign in and set it up, then make the token."
        )
    if not name.strip() or len(name) > TOKEN_NAME_LIMIT or not name.isprintable():
        raise click.ClickException(f"A name has 1 to {TOKEN_NAME_LIMIT} characters on one line.")
    try:
        made = create_token(user, name.strip(), scope, expires_in, published=True)
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    click.echo(made.text)


@token.command("visitor")
@click.argument("email")
@click.option("--account", "account_id", type=int, help="Where several have such a contact.")
@click.option(
    "--expires-in",
    type=LIFETIME,
    metavar="SECONDS",
    default=CUSTOMER_TOKEN_LIFETIME,
    show_default=True,
)
def visitor(email: str, account_id: int | None, expires_in: int) -> None:
    """Print a visitor's token for the contact with this EMAIL, and nothing else."""
    click.echo(create_visitor_token(contact_with(email, account_id), expires_in).text)


@token.command("list")
def list_tokens() -> None:
    """Print the tokens, one a line: id, address of the user or contact, scope, when it was made,
    last used and expires, name."""
    owners = func.coalesce(User.email, Contact.email, Contact.name)
    rows = db.session.execute(
        select(Token, owners)
        .outerjoin(User, User.id == Token.user_id)
        .outerjoin(Contact, Contact.id == Token.contact_id)
        .order_by(Token.id)
    )
    for row, owner in rows:
        times = (row.created_at, row.last_used_at, row.expires_at)
        moments = (clock.rfc3339(time) if time is not None else "-" for time in times)
        click.echo("\t".join((str(row.id), owner, row.scope, *moments, row.name)))


@token.command("revoke")
@click.argument("token_id", type=click.IntRange(1, ID_LIMIT), metavar="ID")
def revoke(token_id: int) -> None:
    """End the token with this ID, as `token list` has it, and its streams."""
    row = db.session.get(Token, token_id)
    if row is None:
        raise click.ClickException(f"There is no token {token_id}; `token list` prints them.")
    revoke_token(row)
