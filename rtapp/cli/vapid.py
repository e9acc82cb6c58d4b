"""The key of push notifications."""

import click

from rtapp.vapid import make_private_key

from .group import Group

vapid = Group("vapid", help="The key of push notifications.")


@vapid.command("create")
def create_key() -> None:
    """Print a new key for VAPID_PRIVATE_KEY, and nothing else. With another key than before, every
    browser must subscribe again."""
    click.echo(make_private_key())
