"""Roles and visibility of an account's members."""

import click
from flask.cli import AppGroup
from sqlalchemy import select

from rtapp.errors import Problem
from rtapp.extensions import db
from rtapp.models import Membership
from rtapp.services.change_membership import change_membership

from .find import user_with

member = AppGroup("member", help="Roles and visibility of an account's members.")


@member.command("set")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("email")
@click.option("--role", type=click.Choice(["administrator", "agent"]), default="agent")
@click.option("--sees", type=click.Choice(["inbox", "assigned"]), default="inbox")
def set_member(account_id: int, email: str, role: str, sees: str) -> None:
    """Set a member's role, and which conversations they see as an agent."""
    user = user_with(email)
    membership = db.session.scalar(
        select(Membership).where(Membership.account_id == account_id, Membership.user_id == user.id)
    )
    if membership is None:
        raise click.ClickException(f"{email} is no member of account {account_id}.")
    try:
        change_membership(membership, role=role, sees=sees)
    except Problem as problem:
        raise click.ClickException(problem.detail) from problem
