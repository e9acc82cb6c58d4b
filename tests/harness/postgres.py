"""A PostgreSQL server for the whole run, and its one database as the demo has it for each test."""

import shutil
import tempfile
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pgserver.postgres_server import get_server
from psycopg import sql

# Nothing here must survive a power cut.
UNSAFE = ("fsync", "full_page_writes", "synchronous_commit")
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
COLUMNS = (
    "SELECT table_name, column_name, data_type FROM information_schema.columns "
    "WHERE table_schema = 'public' ORDER BY 1, 2"
)
SEQUENCES = "SELECT sequencename, last_value FROM pg_sequences WHERE schemaname = 'public'"
OTHERS = (
    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


class SeededDatabase:
    """A database that is put back to its rows of the beginning, by real commits.

    Every test finds the same rows, the same next ids, and no connection, lock or open transaction
    of the test before. Tables themselves are not made anew: `restore` fails if a test changed them.
    """

    def __init__(self, uri: str):
        self.uri = uri
        self.url = uri.replace("postgresql://", "postgresql+psycopg://")
        self._connection = psycopg.connect(uri, autocommit=True)
        self._columns: list[tuple[object, ...]] = []
        self._refill: sql.SQL | sql.Composed = sql.SQL("")

    def keep(self) -> None:
        """Keeps the rows and sequences of now, to be restored."""
        self._columns = self._connection.execute(COLUMNS).fetchall()
        tables = [name for (name,) in self._connection.execute(TABLES)]
        self._connection.execute("CREATE SCHEMA seed")
        for name in tables:
            copy = sql.SQL("CREATE TABLE seed.{0} AS TABLE public.{0}")
            self._connection.execute(copy.format(sql.Identifier(name)))
        names = [sql.Identifier(name) for name in tables]
        self._refill = sql.SQL("; ").join([
            *(sql.SQL("DELETE FROM public.{}").format(name) for name in names),
            *(sql.SQL("INSERT INTO public.{0} TABLE seed.{0}").format(name) for name in names),
            *(
                sql.SQL("SELECT setval({}, {}, {})").format(name, last or 1, last is not None)
                for name, last in self._connection.execute(SEQUENCES)
            ),
        ])  # fmt: skip

    def restore(self) -> None:
        self._connection.execute(OTHERS)
        columns = self._connection.execute(COLUMNS).fetchall()
        assert columns == self._columns, "a test before this one has changed the tables themselves"
        with self._connection.transaction():
            # Rows are put back table by table: foreign keys hold again at the end.
            self._connection.execute("SET LOCAL session_replication_role = replica")
            self._connection.execute(self._refill)

    def close(self) -> None:
        self._connection.close()


@contextmanager
def seeded_database(build: Callable[[str, Path], None]) -> Iterator[SeededDatabase]:
    """A server of its own with one database, which `build(url, folder)` fills.

    Not in pytest's folder: started by root, the server runs as another user, who loses sight of its
    data when the next pytest on this machine makes that folder private again.
    """
    folder = Path(tempfile.mkdtemp(prefix="rtapp-postgres-"))
    folder.chmod(0o755)
    server = get_server(folder, cleanup_mode="stop")
    try:
        with psycopg.connect(server.get_uri(), autocommit=True) as connection:
            for setting in UNSAFE:
                off = sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting))
                connection.execute(off)
            connection.execute("SELECT pg_reload_conf()")
            connection.execute("CREATE DATABASE test")
        with closing(SeededDatabase(server.get_uri("test"))) as database:
            build(database.url, folder)
            database.keep()
            yield database
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)
