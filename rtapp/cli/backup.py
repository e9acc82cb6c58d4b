"""Backups of the database: one file, and the way back."""

from pathlib import Path

import click
from flask.cli import with_appcontext

from rtapp import schema
from rtapp.backup.archive import BackupError
from rtapp.backup.make import make_backup
from rtapp.backup.restore import restore_backup
from rtapp.database import unlimited

FILE = click.argument("file", type=click.Path(dir_okay=False, path_type=Path))


def report(line: str) -> None:
    click.echo(line, err=True)


@click.command("backup")
@FILE
@with_appcontext
def backup(file: Path) -> None:
    """Write a backup of the database to a new FILE, beside the running servers.

    It has all passwords' hashes and all messages: keep it where only you can read it. The files of
    messages are in it too, unless they are in a bucket.
    """
    try:
        with unlimited():
            manifest = make_backup(file, report)
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    with_files = f", and {manifest.files} files of messages" if manifest.files else ""
    click.echo(f"{file} has the {manifest.database} database as of {manifest.made_at}{with_files}.")


@click.command("restore")
@FILE
@click.option("--replace", is_flag=True, help="Lose what the database has now.")
@with_appcontext
def restore(file: Path, replace: bool) -> None:
    """Put the backup in FILE in the place of the database. Stop all servers first.

    What was changed after the backup is undone: a password, a token or a member that was taken
    away since then is valid again.
    """
    try:
        with unlimited():
            manifest = restore_backup(file, report, replace=replace)
            outdated = schema.mismatch() == schema.OLDER
    except BackupError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"The database is as of {manifest.made_at}.")
    if outdated:
        click.echo("Its tables are of an older version: run `flask --app app db upgrade`.")
    click.echo("Start the servers: clients that come back fetch everything again.")
