"""What a server is to the comparison: how to start it, open a stream of it and publish to it."""

import shutil
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp.realtime.embedded_redis import redis_server

from . import measures
from .lab import Lab
from .load import Target
from .server import free_port

START_LIMIT = 20.0  # s


class Rival:
    """A context in which the server runs. Its streams need no resumption to be measured."""

    name: str
    note = "no replay, no access"  # what it does not do, beside ours
    of_many = False  # whether it serves thousands of streams at ten events a second
    client: dict[str, Any] = {}  # noqa: RUF012 - options of `Load.open`; subclasses replace it
    resumes = False  # whether a client that comes back names the last event that it has

    def __init__(self, lab: Lab):
        self.folder = lab.fresh_folder(self.name)
        self.port = free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @staticmethod
    def missing() -> str | None:
        """What is to be installed, or None."""
        return None

    def __enter__(self) -> "Rival":
        self.folder.mkdir()
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> None:
        """Start it, and wait until it accepts connections. Raises TimeoutError."""
        raise NotImplementedError

    def targets(self) -> list[Target]:
        raise NotImplementedError

    def publish(self, number: int) -> None:
        """Publish the envelope of this number to every stream."""
        raise NotImplementedError

    def wait_for(self, subscribers: int) -> None:
        """Wait until so many streams receive, if opening them does not tell."""

    def pids(self) -> list[int]:
        """The serving processes, without a redis-server."""
        return [process.pid for process in self._processes]

    def cpu(self) -> float:
        return sum(map(measures.cpu_seconds, self.pids()))

    def resident(self) -> int:
        return sum(map(measures.resident_bytes, self.pids()))

    def run(self, words: list[str], **options: Any) -> None:
        with (self.folder / "output.log").open("a") as log:
            self._processes.append(subprocess.Popen(words, stdout=log, stderr=log, **options))

    def accepts(self) -> bool:
        with socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True

    def until(self, true: Callable[[], object]) -> None:
        """Wait until it is true. Raises TimeoutError with the server's output."""
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            try:
                if true():
                    return
            except (RedisConnectionError, OSError):
                pass
            time.sleep(0.05)
        raise TimeoutError(f"{self.name} did not get ready:\n{self._output()}")

    def _output(self) -> str:
        return (self.folder / "output.log").read_text()


class OwnRedis:
    """A redis-server without persistence, for a rival that publishes through one."""

    def __init__(self, folder: Path):
        address = folder / "redis.sock"
        self.url = f"unix://{address}"
        self._process = subprocess.Popen(
            [
                redis_server(), "--port", "0", "--unixsocket", str(address), "--save", "",
                "--dir", str(folder), "--logfile", str(folder / "redis.log"),
            ]
        )  # fmt: skip
        self.client = Redis.from_url(self.url)

    def stop(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()
