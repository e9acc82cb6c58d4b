"""Empty temporary databases, SQLite and PostgreSQL."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def sqlite() -> Iterator[str]:
    """The URL of an SQLite database."""
    with tempfile.TemporaryDirectory(prefix="rtapp-bench-sqlite-") as folder:
        yield f"sqlite:///{folder}/rtapp.sqlite3"


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of a PostgreSQL database of pgserver."""
    import pgserver  # which looks for XDG_RUNTIME_DIR as it is imported, and warns without it

    folder = Path(tempfile.mkdtemp(prefix="rtapp-bench-postgres-"))
    folder.chmod(0o755)  # if root starts the server, it runs as another user
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri().replace("postgresql://", "postgresql+psycopg://")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


DATABASES = (sqlite, postgres)
