"""PostgreSQL servers of one test, which may be stopped, hung, and failed over to a standby."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from pgserver._commands import POSTGRES_BIN_PATH
from pgserver.utils import ensure_prefix_permissions
from pgserver.utils import ensure_user_exists

from .waiting import eventually

USER = "pgserver" if os.geteuid() == 0 else None  # PostgreSQL refuses to be run by root
LIMIT = 120.0  # s for a command beside the server


class PostgresServer:
    """A real postgres on a port of 127.0.0.1 with its data in `folder`."""

    def __init__(self, folder: Path):
        self.folder, self.port = folder, free_port()
        self.uri = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(mode=0o700)
        if USER is not None:
            ensure_user_exists(USER)
            ensure_prefix_permissions(folder)
            os.chown(folder, *owner())

    def create(self) -> None:
        run("initdb", "-D", self.folder, "-U", "postgres", "-A", "trust", "-E", "UTF8")

    def copy(self, stopped: "PostgresServer") -> None:
        shutil.rmtree(self.folder)
        subprocess.run(["cp", "-a", stopped.folder, self.folder], check=True, timeout=LIMIT)

    def follow(self, primary: "PostgresServer") -> None:
        """Copy the data of a running server, to follow it as a synchronous standby."""
        run("pg_basebackup", "-D", self.folder, "-d", primary.uri, "-R", "-c", "fast")
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        primary.execute("SELECT pg_reload_conf()")

    def start(self, **settings: str) -> None:
        options = [word for k, v in settings.items() for word in ("-c", f"{k}={v}")]
        log = self.folder.with_suffix(".log").open("ab")
        with log:
            self._process = subprocess.Popen(
                [POSTGRES_BIN_PATH / "postgres", "-D", self.folder, "-p", str(self.port),
                 "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", *options],
                stdout=log, stderr=log, user=USER, start_new_session=True,
            )  # fmt: skip
        eventually(self._answers, "postgres answers")

    def start_if_stopped(self) -> None:
        if self._process is None:
            self.start()

    def stop(self, mode: signal.Signals = signal.SIGQUIT) -> None:
        """Stop it: by default `immediate`, as after a crash
        (https://www.postgresql.org/docs/current/server-shutdown.html)."""
        if self._process is not None:
            self.go_on()
            self._process.send_signal(mode)
            self._process.wait()
            self._process = None

    def remove(self) -> None:
        shutil.rmtree(self.folder)

    def pause(self) -> None:
        """Stop all its processes by a signal: they keep their connections and do not answer."""
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def go_on(self) -> None:
        for pid in self._pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    def promote(self) -> None:
        self.execute("SELECT pg_promote(wait => true)")

    def cut(self, share: float = 1.0) -> int:
        """End this share of the connections of clients, at random. Return their number."""
        return len(
            self.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                f"WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() "
                f"AND random() < {share}"
            )
        )

    def execute(self, statement: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.uri, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def _pids(self) -> list[int]:
        if self._process is None:
            return []
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [self._process.pid, *(int(pid) for pid in children.read_text().split())]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.folder.with_suffix(".log").read_text()
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True


def run(command: str, *words: object) -> None:
    subprocess.run(
        [POSTGRES_BIN_PATH / command, *map(str, words)],
        user=USER, check=True, capture_output=True, timeout=LIMIT,
    )  # fmt: skip


def owner() -> tuple[int, int]:
    assert USER is not None
    entry = ensure_user_exists(USER)
    assert entry is not None
    return entry.pw_uid, entry.pw_gid


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def url(*servers: PostgresServer) -> str:
    """SQLAlchemy's URL of the database on whichever of the servers takes changes
    (https://www.postgresql.org/docs/current/libpq-connect.html, target_session_attrs)."""
    hosts = "&".join(f"host=127.0.0.1:{server.port}" for server in servers)
    return f"postgresql+psycopg://postgres@/postgres?{hosts}&target_session_attrs=read-write"
