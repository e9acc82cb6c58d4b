"""Invitations into accounts."""

import click
from flask import current_app
from sqlalchemy import select

from rtapp import clock
from rtapp.config import Settings
from rtapp.errors import Unprocessable
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Invitation
from rtapp.models import PasswordLink
from rtapp.services.change_invitations import create_invitation
from rtapp.services.change_invitations import revoke_invitation
from rtapp.services.link import LinkToken
from rtapp.services.link import url_with
from rtapp.text import address

from .group import Group

invitation = Group("invitation", help="Invitations into accounts.")


@invitation.command("create")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("email", required=False)
@click.option("--role", type=click.Choice(["administrator", "agent"]), default="agent")
@click.option("--sees", type=click.Choice(["inbox", "assigned"]), default="inbox")
@click.option("--inbox", "inbox_ids", type=click.IntRange(min=1), multiple=True, help="Any number.")
def create(
    account_id: int, email: str | None, role: str, sees: str, inbox_ids: tuple[int, ...]
) -> None:
    """Print a link with which the owner of EMAIL, or without one its holder, joins the account."""
    if db.session.get(Account, account_id) is None:
        raise click.ClickException(f"There is no account {account_id}.")
    try:
        given = address(email) if email is not None else None
        row, token = create_invitation(
            account_id, given, role=role, sees=sees, inbox_ids=inbox_ids, by=None
        )
    except ValueError as error:
        raise click.ClickException(f"The address {error}.") from error
    except Unprocessable as problem:
        raise click.ClickException(problem.detail) from problem
    print_link(row, token)


@invitation.command("list")
def list_invitations() -> None:
    """Print the invitations, one a line: id, account, state, expiry, role, address."""
    for row in db.session.scalars(select(Invitation).order_by(Invitation.id)):
        until, email = clock.rfc3339(row.expires_at), row.email or "-"
        state = row.state(clock.now())
        click.echo(f"{row.id}\t{row.account_id}\t{state}\t{until}\t{row.role}\t{email}")


@invitation.command("revoke")
@click.argument("invitation_id", type=click.IntRange(min=1))
def revoke(invitation_id: int) -> None:
    """End an open invitation: its link leads nowhere any more."""
    row = db.session.get(Invitation, invitation_id)
    if row is None:
        raise click.ClickException(f"There is no invitation {invitation_id}.")
    revoke_invitation(row)


def print_link(row: Invitation | PasswordLink, token: LinkToken) -> None:
    """Print the link alone; and what to know of it to the standard error, as it is not part."""
    settings: Settings = current_app.extensions["settings"]
    click.echo(url_with(settings.base_url, type(row), token.text))
    mailed = " It is mailed, too." if row.mail else ""
    click.echo(f"It works once, until {clock.rfc3339(row.expires_at)}.{mailed}", err=True)
