"""The members of accounts: their role, and what they see."""

import click
from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from rtapp.errors import Problem
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.models import User
from rtapp.services.add_member import add_member
from rtapp.services.change_membership import change_membership
from rtapp.services.remove_member import remove_member

from .find import account_with
from .find import inbox_with
from .find import membership_of
from .find import user_with
from .group import Group

member = Group("member", help="Members of accounts: add, set, remove.")

ROLES = click.Choice(["administrator", "agent"])
VIEWS = click.Choice(["inbox", "assigned"])


@member.command("add")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("email")
@click.option("--role", type=ROLES, default="agent", show_default=True)
@click.option("--sees", type=VIEWS, default="inbox", show_default=True)
@click.option("--inbox", "inbox_ids", type=click.IntRange(min=1), multiple=True, help="Any number.")
def add(account_id: int, email: str, role: str, sees: str, inbox_ids: tuple[int, ...]) -> None:
    """Make the user with this EMAIL a member of an account. Does nothing if they are one."""
    account, user = account_with(account_id), user_with(email)
    for id in inbox_ids:
        if inbox_with(id).account_id != account.id:
            raise click.ClickException(f"Inbox {id} is not of account {account.id}.")
    try:
        add_member(account.id, user, role=role, sees=sees, inbox_ids=inbox_ids)
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        click.echo(
            f"{user.email} is a member already; nothing was changed. To change it: member set"
        )
        return
    click.echo(
        f"{user.email} is a member. More inboxes: flask --app app inbox add INBOX {user.email}"
    )


@member.command("list")
@click.argument("account_id", type=click.IntRange(min=1))
def list_members(account_id: int) -> None:
    """Print an account's members, one a line: user, role, what they see, address, name."""
    members = (
        select(Membership, User)
        .join(User, User.id == Membership.user_id)
        .where(Membership.account_id == account_with(account_id).id)
        .order_by(User.id)
    )
    for row, user in db.session.execute(members):
        click.echo(f"{user.id}\t{row.role}\t{row.sees}\t{user.email}\t{user.name}")


@member.command("set")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("email")
@click.option("--role", type=ROLES)
@click.option("--sees", type=VIEWS)
def set_member(account_id: int, email: str, role: str | None, sees: str | None) -> None:
    """Set a member's role, and which conversations they see as an agent: what is named alone."""
    membership = membership_of(user_with(email), account_id)
    if role is None and sees is None:
        raise click.ClickException("Nothing was changed: name --role, --sees or both.")
    try:
        change_membership(membership, role=role, sees=sees)
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    click.echo(
        f"{email} is {membership.role} of account {account_id}, and sees: {membership.sees}."
    )


@member.command("remove")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("email")
def remove(account_id: int, email: str) -> None:
    """Remove a member from an account and its inboxes. Does nothing if they are none."""
    user = user_with(email)
    own = select(Membership).where(
        Membership.account_id == account_with(account_id).id, Membership.user_id == user.id
    )
    membership = db.session.scalar(own)
    if membership is None:
        click.echo(f"{user.email} is no member of account {account_id}; nothing was changed.")
        return
    try:
        remove_member(membership)
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
    click.echo(
        f"{user.email} is no member of account {account_id} any more. "
        f"To have them sign in nowhere: user disable {user.email}"
    )
