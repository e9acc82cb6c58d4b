"""What is removed once it is old: rows that nothing needs any more, and messages if an account
says so."""

import click
from flask import current_app

from rtapp import clock
from rtapp.config import KEPT_LIMIT
from rtapp.config import MESSAGES_KEPT_LEAST
from rtapp.config import Settings
from rtapp.database import unlimited
from rtapp.extensions import db
from rtapp.services.retention import old_rows
from rtapp.services.retention import remove_old_rows

from .find import account_with
from .group import Group

FOR_EVER = "forever"

retention = Group("retention", help="What is removed once it is old.")


@retention.command("run")
@click.option("--dry-run", is_flag=True, help="Count, and remove nothing.")
def run(dry_run: bool) -> None:
    """Remove what is old, now. A server does it once a day."""
    settings: Settings = current_app.extensions["settings"]
    work = old_rows if dry_run else remove_old_rows
    with unlimited():
        counts = work(settings, clock.now())
    for name, count in counts.items():
        click.echo(f"{count}\t{name}")


@retention.command("keep-messages")
@click.argument("account_id", type=click.IntRange(min=1))
@click.argument("days", metavar="DAYS|forever")
def keep_messages(account_id: int, days: str) -> None:
    """Set for how many DAYS after its last message those of a conversation are kept."""
    account = account_with(account_id)
    if days == FOR_EVER:
        account.messages_kept_days = None
        db.session.commit()
        click.echo(f"Account {account.id} keeps its messages for ever.")
        return
    number = int(days) if days.isascii() and days.isdigit() and len(days) <= 5 else 0
    if not MESSAGES_KEPT_LEAST <= number <= KEPT_LIMIT:
        raise click.ClickException(
            f"Write a number of days from {MESSAGES_KEPT_LEAST} to {KEPT_LIMIT}, or {FOR_EVER}."
        )
    account.messages_kept_days = number
    db.session.commit()
    click.echo(
        f"Account {account.id} keeps messages for {number} days. The next run removes older ones "
        "and their files, for good: look at `retention run --dry-run` first."
    )
