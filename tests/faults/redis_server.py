"""A redis-server of one test, which may be killed."""

import os
import shutil
import signal
import subprocess
from pathlib import Path

from redis import Redis
from redis.exceptions import RedisError

from rtapp.realtime.embedded_redis import redis_server

from ..harness.waiting import eventually


class RedisServer:
    """A real redis-server on a unix socket, to be killed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.socket = folder / "r.sock"
        self.url = f"unix://{self.socket}"
        self.client = Redis(unix_socket_path=str(self.socket), socket_timeout=5)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        # "always": Redis answers only after it has written, so a kill loses nothing.
        self._process = subprocess.Popen([
            redis_server(), "--port", "0", "--unixsocket", str(self.socket),
            "--dir", str(self.folder), "--appendonly", "yes", "--appendfsync", "always",
            "--save", "", "--logfile", str(self.folder / "redis.log"), *options,
        ])  # fmt: skip
        eventually(self._answers, "redis-server answers")

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
            self.client.connection_pool.disconnect()

    def forget(self) -> None:
        """Delete the data of a killed server."""
        assert self._process is None
        for path in self.folder.glob("appendonly*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def truncate(self, size: int) -> None:
        """Cut the append-only file of a killed server off after `size` bytes, in the middle of a
        write perhaps: what a power failure does to bytes that were not on disk."""
        assert self._process is None
        os.truncate(self.append_only_file, size)

    @property
    def append_only_file(self) -> Path:
        """The file to which writes are appended; Redis 7 has several, in a folder."""
        newest, *_ = sorted(self.folder.rglob("*.aof"), key=lambda path: -path.stat().st_mtime_ns)
        return newest

    def pause(self) -> None:
        """Stop the process: it keeps its connections and does not answer (a hung machine)."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def cut_pubsub(self) -> int:
        return self.client.client_kill_filter(_type="pubsub")

    def stop(self) -> None:
        self.kill()
        self.client.close()

    def _answers(self) -> bool:
        try:
            return self.client.ping()
        except RedisError:
            return False
