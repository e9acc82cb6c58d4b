"""Events that could not be published."""

import click

from rtapp import clock
from rtapp.events.outbox import dead_letters
from rtapp.events.outbox import retry

from .group import Group

outbox = Group("outbox", help="Events that could not be published.")


@outbox.command("list")
def list_dead_letters() -> None:
    """Print the dead letters, one a line: id, time, event, topics, error."""
    for row in dead_letters():
        assert row.dead_lettered_at is not None
        when, topics = clock.rfc3339(row.dead_lettered_at), ",".join(row.topics)
        click.echo(f"{row.id}\t{when}\t{row.event}\t{topics}\t{row.error}")


@outbox.command("retry")
def retry_dead_letters() -> None:
    """Requeue the dead letters. The running or the next server publishes them."""
    click.echo(f"{retry()} events are tried again.")
