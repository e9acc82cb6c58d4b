"""The copy of an SQLite database, by its online backup (https://sqlite.org/backup.html)."""

import sqlite3
from collections.abc import Callable
from collections.abc import Collection
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from .archive import BackupError

PAGES = 1000  # copied between two reports of the progress
RAISE_EPOCH = "UPDATE accounts SET published_epoch = max(published_epoch, ?)"

Progress = Callable[[int], None]  # is given percents


def copy(url: URL, target: Path, unsent: Collection[str], progress: Progress) -> None:
    """Write the database as of now to `target`, without the rows of the tables `unsent`.

    Writers go on meanwhile. Raises BackupError.
    """
    try:
        with closing(connect(path_of(url))) as source, closing(connect(target)) as connection:
            # The snapshot of this transaction: else each commit would start the copy again.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
            source.backup(connection, pages=PAGES, progress=reporting(progress))
            connection.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
            for table in sorted(unsent):
                connection.execute(f'DELETE FROM "{table}"')  # noqa: S608 (a name of ours)
            check(connection)
    except sqlite3.Error as error:
        raise BackupError(f"The database can't be copied: {error}.") from error


def replace(url: URL, copied: Path, epoch: int, progress: Progress) -> None:
    """Put a copy in the place of the database, in one transaction, with `epoch` as the least
    published epoch of each account. Raises BackupError."""
    try:
        with closing(connect(copied)) as source, closing(connect(path_of(url))) as target:
            check(source)
            source.execute(RAISE_EPOCH, (epoch,))
            source.backup(target, pages=PAGES, progress=reporting(progress))
    except sqlite3.Error as error:
        raise BackupError(f"The database can't be replaced: {error}.") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode, to a file that is there or can be made."""
    name = f"file:{quote(str(path.resolve()))}"
    return sqlite3.connect(name, uri=True, isolation_level=None, timeout=60)


def path_of(url: URL) -> Path:
    if not url.database or url.database == ":memory:":
        raise BackupError("The database is not in a file, so there is nothing to copy.")
    return Path(url.database)


def check(connection: sqlite3.Connection) -> None:
    """Raises BackupError for a damaged database."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise BackupError(f"The database is damaged: {found}.")


def reporting(progress: Progress) -> Callable[[int, int, int], None]:
    def report(status: int, remaining: int, total: int) -> None:
        progress(100 * (total - remaining) // max(total, 1))

    return report
