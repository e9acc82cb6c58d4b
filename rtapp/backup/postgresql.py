"""The copy of a PostgreSQL database, by pg_dump; pg_restore and psql put it back."""

import os
import shutil
import subprocess
from collections.abc import Collection
from pathlib import Path

from psycopg.conninfo import make_conninfo
from sqlalchemy import URL

from .archive import BackupError

CLIENT = (
    "Install PostgreSQL's client programs of the server's major version (Debian: "
    "postgresql-client)."
)
# What the programs say of another version: pg_dump, pg_restore, and psql of a setting.
OTHER_VERSION = ("version mismatch", "unsupported version", "unrecognized configuration parameter")
REASON_LIMIT = 300  # characters of what a program writes


def copy(url: URL, target: Path, tables: Collection[str], unsent: Collection[str]) -> None:
    """Write these tables as of now to `target`, in pg_dump's custom format; of the tables `unsent`
    no rows. Writers go on meanwhile. Raises BackupError."""
    run(
        url, "pg_dump", "--format=custom", "--no-owner", "--no-privileges", f"--file={target}",
        *(f"--table={table}" for table in sorted(tables)),
        *(f"--exclude-table-data={table}" for table in sorted(unsent)),
    )  # fmt: skip


def replace(url: URL, copied: Path, tables: Collection[str], epoch: int, folder: Path) -> None:
    """Put a copy in the place of these tables, in one transaction, with `epoch` as the least
    published epoch of each account. `folder`: a private one. Raises BackupError."""
    before, script, after = (folder / name for name in ("before.sql", "copy.sql", "after.sql"))
    names = ", ".join(f'"{table}"' for table in sorted(tables))
    before.write_text(f"SET lock_timeout = '10s';\nDROP TABLE IF EXISTS {names} CASCADE;\n")
    run(None, "pg_restore", "--no-owner", "--no-privileges", f"--file={script}", str(copied))
    after.write_text(
        "RESET search_path;\n"  # the copy's script sets it
        f"UPDATE accounts SET published_epoch = greatest(published_epoch, {epoch});\n"
    )
    run(
        url, "psql", "--no-psqlrc", "--quiet", "--single-transaction", "--set=ON_ERROR_STOP=1",
        "--output=/dev/null", f"--file={before}", f"--file={script}", f"--file={after}",
    )  # fmt: skip


def run(url: URL | None, program: str, *words: str) -> None:
    """Run a program of PostgreSQL's, on the database at `url` if there is one. The password does
    not stand in its command, which every user of the machine can read."""
    if shutil.which(program) is None:
        raise BackupError(f"There is no {program}. {CLIENT}")
    environ, where = dict(os.environ), []
    if url is not None:
        _, more = url.get_dialect()().create_connect_args(url)
        password = more.pop("password", None)
        if password is not None:
            environ["PGPASSWORD"] = str(password)
        where = [f"--dbname={make_conninfo(**more)}"]
    done = subprocess.run(
        [program, *where, *words],
        env=environ, stdin=subprocess.DEVNULL, capture_output=True, text=True,
    )  # fmt: skip
    if done.returncode:
        raise BackupError(f"{program} has failed: {reason(done.stderr)}")


def reason(output: str) -> str:
    """The errors among the lines of a program, in one."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower()] or lines
    text = " ".join(errors)[:REASON_LIMIT] or "it does not say why"
    mismatch = any(word in text for word in OTHER_VERSION)
    return f"{text}. {CLIENT}" if mismatch else text
