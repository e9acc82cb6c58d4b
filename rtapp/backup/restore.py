"""Restoring a backup while no server runs. Clients that come back are reset."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from pathlib import Path

from flask import current_app
from redis.exceptions import NoPermissionError
from sqlalchemy import exists
from sqlalchemy import select
from sqlalchemy import update
from sqlalchemy.exc import SQLAlchemyError

from rtapp import clock
from rtapp import schema
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.realtime.broker import Broker
from rtapp.realtime.broker import RedisError
from rtapp.realtime.diagnosis import diagnose
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.embedded_redis import EmbeddedRedisError
from rtapp.storage import Storage
from rtapp.storage import StorageAway

from . import postgresql
from . import sqlite
from .archive import BackupError
from .archive import Manifest
from .archive import folder_beside
from .archive import key_fingerprint
from .archive import read
from .make import Report
from .make import our_tables
from .make import percents
from .make import present_tables
from .make import unreadable

OTHER_KEY = (
    "The backup was made with another SECRET_KEY: without that one, nobody's authenticator code, "
    "session or token works. Set it before you start the servers, or remove each second "
    "factor: flask --app app second-factor remove EMAIL"
)


def restore_backup(path: Path, report: Report, *, replace: bool = False) -> Manifest:
    """Put the backup at `path` in the place of the database, whole or not at all.

    Everything that could be resumed from is dropped, so each client is reset. Raises BackupError if
    the file or its version does not fit, a server runs, Redis is away, or the database has an
    account and `replace` is False; then nothing was changed.
    """
    settings: Settings = current_app.extensions["settings"]
    broker: Broker = current_app.extensions["broker"]
    with folder_beside(settings.instance / "restored") as folder:
        report("Checking the backup …")
        manifest, copy = read(path.resolve(), folder)
        refuse_unfit(manifest)
        refuse_rows(replace)
        if manifest.files:
            refuse_without_storage()
        with running_redis(broker):
            refuse_servers(broker)
            report("Replacing the database …")
            epoch = int(clock.now().timestamp() * 1_000_000)
            release()
            if manifest.database == "sqlite":
                sqlite.replace(db.engine.url, copy, epoch, percents(report))
            else:
                postgresql.replace(db.engine.url, copy, our_tables(), epoch, folder)
            begin_epochs(broker, report)
        put_files(folder / "files", report)
    if manifest.key not in ("", key_fingerprint(settings.secret_key)):
        report(OTHER_KEY)
    return manifest


def refuse_without_storage() -> None:
    storage: Storage = current_app.extensions["storage"]
    try:
        storage.check()
    except StorageAway as error:
        raise BackupError(
            f"The backup has files of messages, and {storage.place} does not take them: see "
            "RTAPP_FILES. Nothing was changed."
        ) from error


def put_files(folder: Path, report: Report) -> None:
    """Store the files of messages. Those that are there already, of whatever message, stay."""
    storage: Storage = current_app.extensions["storage"]
    try:
        for file in folder.iterdir():
            storage.put(file.name, file.read_bytes())
    except StorageAway:
        report(
            f"The database is restored. Files of its messages are missing in {storage.place}: "
            "restore the backup again once it takes them."
        )


def refuse_unfit(manifest: Manifest) -> None:
    kind = db.engine.dialect.name
    if manifest.database != kind:
        raise BackupError(
            f"This is a backup of a database of {manifest.database}, and DATABASE_URL leads to one "
            f"of {kind}: set DATABASE_URL to a database of {manifest.database}."
        )
    if not schema.known_revisions() >= set(manifest.migrations):
        raise BackupError(
            f"The backup was made by a newer version of rtapp ({manifest.version}, migration "
            f"{', '.join(manifest.migrations)}): install that version, and restore it there."
        )


def refuse_rows(replace: bool) -> None:
    """Raises BackupError for a database with an account, unless it is to be replaced, and for one
    of a newer version in any case."""
    try:
        schema.refuse_newer()
        has_table = Account.__tablename__ in present_tables()
        in_use = has_table and db.session.scalar(select(exists(select(Account.id))))
        db.session.rollback()
    except schema.NewerSchema as error:
        raise BackupError(str(error)) from error
    except SQLAlchemyError as error:
        raise BackupError(unreadable(error)) from error
    if in_use and not replace:
        raise BackupError(
            "The database has accounts, which would be lost. Make a backup of it, then run the "
            "command with --replace."
        )


@contextmanager
def running_redis(broker: Broker) -> Iterator[None]:
    """Have Redis answer during the block: the embedded one is started for it. Raises
    BackupError."""
    embedded: EmbeddedRedis | None = current_app.extensions["embedded_redis"]
    try:
        if embedded is not None:
            embedded.start()
        broker.server()
    except EmbeddedRedisError as error:
        raise BackupError(str(error)) from error
    except (RedisError, OSError) as error:
        raise BackupError(
            f"{diagnose(error).text} Its histories must be dropped with the old database, or "
            "clients would resume from them: nothing was changed."
        ) from error
    try:
        yield
    finally:
        broker.redis.close()
        if embedded is not None:
            embedded.stop()


def refuse_servers(broker: Broker) -> None:
    """Raises BackupError if a process has subscribed: it would go on with what it has read."""
    with suppress(NoPermissionError):
        if running := broker.subscribed_processes():
            raise BackupError(
                f"{running} of rtapp's processes run: stop the service first, on every host."
            )


def release() -> None:
    """Close this process's connections to the database."""
    db.session.remove()
    db.engine.dispose()
    current_app.extensions["probing"].dispose()


def begin_epochs(broker: Broker, report: Report) -> None:
    """Drop what Redis has of all accounts, and record the epochs that begin. Without it the new
    epochs begin as well, because Redis is behind the restored record."""
    try:
        broker.forget()
        for account_id in db.session.scalars(select(Account.id)).all():
            epoch = int(broker.position(account_id).epoch)
            db.session.execute(
                update(Account).where(Account.id == account_id).values(published_epoch=epoch)
            )
        db.session.commit()
    except (RedisError, OSError) as error:
        db.session.rollback()
        report(
            f"The database is restored. {diagnose(error).text} So old histories stay there; before "
            "you make a new account, delete the keys rt:* of Redis."
        )
    except SQLAlchemyError as error:
        db.session.rollback()
        report(f"The database is restored. {unreadable(error)}")
