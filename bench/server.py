"""The server under test: `python app.py` in a temporary instance folder."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rtapp.config import CHECKOUT
from rtapp.realtime.broker import Broker
from rtapp.realtime.embedded_redis import socket_path

from . import measures
from .home import HOME
from .load import Target

START_LIMIT = 60.0  # s
STOP_LIMIT = 20.0  # s


class ServerError(Exception):
    """The server under test did not start. The text has its output."""


@dataclass(frozen=True)
class World:
    """An instance folder to copy, with its users' tokens and its conversations."""

    folder: Path
    tokens: list[str]
    emails: list[str]
    conversations: list[int]

    def targets(self, paths: list[str], *headers: str) -> list[Target]:
        """The paths as targets, each with another user's bearer token, in turn."""
        count = max(len(paths), len(self.tokens))
        return [
            (
                paths[i % len(paths)],
                [f"Authorization: Bearer {self.tokens[i % len(self.tokens)]}", *headers],
            )
            for i in range(count)
        ]


def build_world(
    folder: Path,
    conversations: int,
    users: int,
    home: Path = HOME,
    environ: Mapping[str, str] = os.environ,
) -> World:
    """Make a world with the `rtapp` that `environ` leads to. Raises ServerError."""
    finished = subprocess.run(
        [sys.executable, "-m", "bench.populate", str(conversations), str(users)],
        cwd=home, env=environment(folder, 0, environ), capture_output=True, text=True,
    )  # fmt: skip
    if finished.returncode:
        raise ServerError(f"The database could not be filled:\n{finished.stderr}")
    made = json.loads(finished.stdout.splitlines()[-1])
    return World(folder, made["tokens"], made["emails"], made["conversations"])


def environment(
    instance: Path, port: int = 0, environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    ours = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "RTAPP_ENV", "HOST")
    return {name: value for name, value in environ.items() if name not in ours} | {
        "RTAPP_INSTANCE": str(instance),
        "PORT": str(port),
        "RTAPP_STREAMS_PER_USER": "0",
        "RTAPP_STREAMS_PER_ADDRESS": "0",
        "RTAPP_RATE_LIMITS": "off",
    }


class Server:
    """`with Server(world, folder) as server:` runs it on a copy of the world."""

    def __init__(self, world: World, folder: Path, beside: "Server | None" = None):
        """`beside`: share the database and the redis-server of this one, which runs already."""
        self.world = world
        self._beside = beside
        self.instance = folder
        self.port = free_port()

    def __enter__(self) -> "Server":
        environ = environment(self.instance, self.port)
        if self._beside is None:
            shutil.copytree(self.world.folder, self.instance)
            self.redis_url = f"unix://{socket_path(self.instance / 'redis')}"
        else:
            self.instance.mkdir()
            shutil.copy(self.world.folder / "secret_key", self.instance)
            self.redis_url = self._beside.redis_url
            database = self._beside.instance / "rtapp.sqlite3"
            environ |= {"REDIS_URL": self.redis_url, "DATABASE_URL": f"sqlite:///{database}"}
        self._log = self.instance / "server.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=CHECKOUT, env=environ, stdout=log, stderr=log
            )
        self._wait_until_it_answers()
        self.broker = Broker(self.redis_url)
        return self

    def __exit__(self, *_: object) -> None:
        self.broker.redis.close()
        self._process.terminate()
        try:
            self._process.wait(STOP_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self.instance, ignore_errors=True)

    @property
    def pid(self) -> int:
        return self._process.pid

    def cpu(self) -> float:
        """CPU seconds of the serving process so far, without its redis-server."""
        return measures.cpu_seconds(self.pid)

    def redis_cpu(self) -> float:
        """CPU seconds of its redis-server so far."""
        used = self.broker.redis.info("cpu")
        return float(used["used_cpu_user"]) + float(used["used_cpu_sys"])

    def resident(self) -> int:
        """Bytes of memory of the serving process."""
        return measures.resident_bytes(self.pid)

    def log(self) -> str:
        return self._log.read_text()

    def metric(self, name: str) -> float:
        """The sum of a counter or gauge of `/metrics`, or NaN if it has none of this name."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics") as response:
            lines = response.read().decode().splitlines()
        found = [line.split()[-1] for line in lines if line.startswith((name + " ", name + "{"))]
        return sum(map(float, found)) if found else float("nan")

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/login", timeout=5):
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.1)
        self._process.kill()
        raise ServerError(f"The server did not start:\n{self.log()}")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
