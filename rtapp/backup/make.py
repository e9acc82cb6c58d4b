"""Making a backup, beside the running servers."""

import os
from collections.abc import Callable
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version
from pathlib import Path

from flask import current_app
from sqlalchemy import inspect
from sqlalchemy.exc import SQLAlchemyError

from rtapp import clock
from rtapp import database
from rtapp import schema
from rtapp.extensions import db
from rtapp.models import Mail
from rtapp.models import OutboxEvent
from rtapp.models import Push
from rtapp.storage import Storage

from . import postgresql
from . import sqlite
from .archive import FILE as ARCHIVED
from .archive import BackupError
from .archive import Manifest
from .archive import digest
from .archive import folder_beside
from .archive import key_fingerprint
from .archive import write

UNSENT = (OutboxEvent, Push, Mail)  # what a restored database must not send a second time
STEP = 10  # percents between two lines about the progress

Report = Callable[[str], None]  # is given a line for the operator


def make_backup(path: Path, report: Report) -> Manifest:
    """Write everything committed before the call to a new file. Returns its manifest.

    Raises BackupError; then there is no file.
    """
    path = path.resolve()
    try:
        if path.is_dir():
            raise BackupError(f"{path} is a folder: name a new file in it.")
        if path.exists():
            raise BackupError(f"{path} is there already: name a new file.")
        if not path.parent.is_dir():
            raise BackupError(f"There is no folder {path.parent}: make it first.")
        with folder_beside(path) as folder:
            return made(path, folder, report)
    except OSError as error:
        raise BackupError(f"{path} can't be written: {error.strerror or error}.") from error


def made(path: Path, folder: Path, report: Report) -> Manifest:
    tables, migrations = present_tables(), sorted(present_migrations())
    unsent = {model.__tablename__ for model in UNSENT} & tables
    copy, url, when = folder / "copy", db.engine.url, clock.now()
    report("Copying the database …")
    if db.engine.dialect.name == "sqlite":
        sqlite.copy(url, copy, unsent, percents(report))
    else:
        postgresql.copy(url, copy, tables, unsent)
    size, sha256 = digest(copy)
    manifest = Manifest(
        version=installed_version(), migrations=migrations, database=db.engine.dialect.name,
        made_at=clock.rfc3339(when), size=size, sha256=sha256,
        key=key_fingerprint(current_app.config["SECRET_KEY"]),
    )  # fmt: skip
    report(f"Writing {path} …")
    return write(path, copy, manifest, folder, files(report))


def files(report: Report) -> Iterator[Path]:
    """The files of messages, after the database was copied: it knows all of them but those that
    have come since, which are in the backup and of no message."""
    storage: Storage = current_app.extensions["storage"]
    if storage.folder is None:
        report(f"The files of messages are in {storage.place}, and not in the backup.")
    elif storage.folder.is_dir():
        for entry in os.scandir(storage.folder):
            if ARCHIVED.fullmatch(f"files/{entry.name}"):
                yield Path(entry.path)


def present_migrations() -> frozenset[str]:
    """The revisions of the tables. Raises BackupError if there are none, or of another version."""
    try:
        found = schema.applied_revisions()
        wrong = schema.mismatch()
    except SQLAlchemyError as error:
        raise BackupError(unreadable(error)) from error
    if wrong in (schema.EMPTY, schema.NEWER):
        raise BackupError(wrong)
    return found


def our_tables() -> frozenset[str]:
    return frozenset({*db.metadata.tables, "alembic_version"})


def present_tables() -> frozenset[str]:
    """Those of our tables that the database has. Raises BackupError if it does not answer."""
    try:
        return our_tables().intersection(inspect(db.engine).get_table_names())
    except SQLAlchemyError as error:
        raise BackupError(unreadable(error)) from error


def unreadable(error: SQLAlchemyError) -> str:
    found = database.problem(error)
    return found.sentence if found is not None else "The database can't be read."


def installed_version() -> str:
    try:
        return version("rtapp")
    except PackageNotFoundError:  # a checkout
        return "unreleased"


def percents(report: Report) -> Callable[[int], None]:
    """Report the progress, a line for each step."""
    shown = 0

    def progress(percent: int) -> None:
        nonlocal shown
        if percent >= shown + STEP:
            shown = percent - percent % STEP
            report(f"{shown} %")

    return progress
