"""The key of push notifications."""

import click
from flask.cli import AppGroup

from rtapp.vapid import make_private_key

vapid = AppGroup("vapid", help="The key of push notifications.")


@vapid.command("create")
def create_key() -> None:
    """Print a new key for VAPID_PRIVATE_KEY, and nothing else. With another key than before, every
    browser must subscribe again."""
    click.echo(make_private_key())
