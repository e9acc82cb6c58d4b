"""The application as real processes, which may be killed, on a copy of the demo."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import NamedTuple

from flask import Flask

from rtapp import create_app
from rtapp.config import Settings
from rtapp.extensions import db

from ..harness.postgres_server import free_port
from ..harness.preloaded import Process
from ..harness.preloaded import serve
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .redis_server import RedisServer
from .sizes import LONG

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND_LIMIT = 300.0  # s for a command beside it: it starts slowly on a busy machine
UNLIMITED = {
    "RTAPP_STREAMS_PER_USER": "0", "RTAPP_STREAMS_PER_ADDRESS": "0", "RTAPP_RATE_LIMITS": "off",
}  # fmt: skip
PAGE = 100  # messages asked for at once
AWAY = (OSError, http.client.HTTPException)  # raised by requests to a server that is down

# Creates the demo's database and prints a token for each of its users, as JSON.
PREPARE = """
from app import app
import json
from rtapp import seed, server
from rtapp.cli.find import user_with
from rtapp.services.change_tokens import create_token
server.prepare_database(app, app.extensions["settings"])
with app.app_context():
    users = {p.name: user_with(p.email) for p in seed.PEOPLE}
    print(json.dumps({n: create_token(u, "Test", "admin").text for n, u in users.items()}))
"""


class Demo(NamedTuple):
    """An instance folder to copy, and the tokens of its users by name."""

    folder: Path
    tokens: dict[str, str]


def make_demo(folder: Path, **more: str) -> Demo:
    """The demo in a folder; `more` are settings, such as DATABASE_URL."""
    made = subprocess.run(
        [sys.executable, "-c", PREPARE],
        cwd=CHECKOUT, env=environment(RTAPP_INSTANCE=str(folder), **more),
        capture_output=True, text=True, check=True, timeout=COMMAND_LIMIT,
    )  # fmt: skip
    return Demo(folder, json.loads(made.stdout.splitlines()[-1]))


class Endpoint:
    """An address of 127.0.0.1 at which rtapp answers, and the tokens of its users by name."""

    def __init__(self, port: int, tokens: dict[str, str]):
        self.port, self.tokens = port, tokens

    def ask(
        self, method: str, path: str, body: Any = None, who: str | None = "Ada", **headers: str
    ) -> tuple[int, bytes, http.client.HTTPMessage]:
        """Send one request on its own connection. Raises the errors in AWAY."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if who is not None:
            sent |= self.bearer(who)
        payload = None
        if body is not None:
            payload = json.dumps(body).encode()
            sent["Content-Type"] = "application/json"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request(method, path, payload, {**sent, "Connection": "close"})
            response = connection.getresponse()
            return response.status, response.read(), response.headers
        finally:
            connection.close()

    def bearer(self, who: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[who]}"}

    def request(self, path: str, headers: dict[str, str]) -> bytes:
        """Return a GET as bytes, for raw sockets."""
        lines = [f"GET {path} HTTP/1.1", "Host: x", *(f"{k}: {v}" for k, v in headers.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def committed(self, conversation: int) -> list[tuple[int, str | None]]:
        """Return (id, client_id) of every message of a conversation in the database; None of
        activity."""
        found: list[tuple[int, str | None]] = []
        before = ""
        while True:
            path = f"/conversations/{conversation}/messages?limit={PAGE}{before}"
            status, body, _ = self.ask("GET", path)
            assert status == 200, body
            page = json.loads(body)
            found[:0] = [
                (
                    m["id"],
                    None if m["message_type"] == "activity" else m["client_id"] or str(m["id"]),
                )
                for m in page["messages"]
            ]
            if page["next_before"] is None:
                return found
            before = f"&before={page['next_before']}"

    def metrics(self) -> dict[str, float]:
        """Return the values of /metrics, by name, and by name with labels."""
        status, body, _ = self.ask("GET", "/metrics", who=None)
        assert status == 200, body
        counted: dict[str, float] = defaultdict(float)
        for line in body.decode().splitlines():
            if not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                counted[name] += float(value)
                if "{" in name:
                    counted[name.partition("{")[0]] += float(value)
        return counted


class Server(Endpoint):
    """rtapp as processes: `python app.py`, or gunicorn when `workers` is not 0."""

    def __init__(
        self, folder: Path, demo: Demo, redis: RedisServer | None, workers: int = 0, **more: str
    ):
        shutil.copytree(demo.folder, folder, dirs_exist_ok=True)
        super().__init__(free_port(), demo.tokens)
        self.folder = folder
        self.workers = workers
        self.environment = environment(
            RTAPP_INSTANCE=str(folder),
            PORT=str(self.port),
            **{**UNLIMITED, **({"REDIS_URL": redis.url} if redis else {}), **more},
        )
        self._metrics = folder / "metrics"  # gunicorn's workers share their metrics
        if workers:
            self.environment["WEB_CONCURRENCY"] = str(workers)
            self.environment["PROMETHEUS_MULTIPROC_DIR"] = str(self._metrics)
        self._process: subprocess.Popen[bytes] | Process | None = None
        self._log = (folder / "server.log").open("ab")

    @property
    def database(self) -> Path:
        return self.folder / "rtapp.sqlite3"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        self.launch()
        self.wait_until_it_serves()

    def wait_until_it_serves(self) -> None:
        eventually(self._answers, "the server answers")
        if self.workers:
            eventually(lambda: len(self.worker_pids()) == self.workers, "all workers run")

    def launch(self) -> "subprocess.Popen[bytes] | Process":
        """Start it, without waiting. In a long run, and with a library, it loads its modules."""
        if not self.workers and not LONG and "LD_PRELOAD" not in self.environment:
            self._process = serve(self.environment, self._log)
            return self._process
        command = ["-m", "gunicorn", "app:app"] if self.workers else ["app.py"]
        self._metrics.mkdir(exist_ok=True)
        self._process = subprocess.Popen(
            [sys.executable, *command],
            cwd=CHECKOUT, env=self.environment, stdout=self._log, stderr=self._log,
        )  # fmt: skip
        return self._process

    def ask_to_end(self) -> "subprocess.Popen[bytes] | Process":
        """Send SIGTERM, without waiting."""
        assert self._process is not None
        self._process.terminate()
        return self._process

    def terminate(self) -> None:
        """Send SIGTERM and wait for an orderly end."""
        process = self.ask_to_end()
        eventually(lambda: process.poll() is not None, "the server ends")
        assert process.returncode == 0, self.log()
        self._process = None

    def kill(self) -> None:
        """Send SIGKILL to the server and its workers."""
        if self._process is not None:
            for pid in [*self.worker_pids(), self._process.pid]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def stop(self) -> None:
        self.kill()
        self._log.close()

    def worker_pids(self) -> list[int]:
        if not self.workers or self._process is None or self._process.poll() is not None:
            return []
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        return [int(pid) for pid in children.read_text().split()]

    def resident(self) -> int:
        """Bytes of the embedded server in memory."""
        pages = int(Path(f"/proc/{self.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu(self) -> float:
        """Seconds for which the embedded server has had a processor."""
        return int(Path(f"/proc/{self.pid}/schedstat").read_text().split()[0]) / 1e9

    def log(self) -> str:
        return (self.folder / "server.log").read_text()

    def command(self, *words: str, given: str = "") -> str:
        """`flask --app app …`, beside the running server. `given`: its standard input."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *words],
            cwd=CHECKOUT, env=self.environment, capture_output=True, text=True, check=True,
            timeout=COMMAND_LIMIT, input=given,
        ).stdout  # fmt: skip

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log()
        try:
            return self.ask("GET", "/healthz", who=None)[0] == 200
        except AWAY:
            return False


@contextlib.contextmanager
def in_process(folder: Path, demo: Demo, redis: RedisServer) -> Iterator[Flask]:
    """The application in this process on a copy of the demo, with its hub and relay running."""
    shutil.copytree(demo.folder, folder, dirs_exist_ok=True)
    app = create_app(
        Settings(
            instance=folder,
            database_url=f"sqlite:///{folder / 'rtapp.sqlite3'}",
            redis_url=redis.url,
            secret_key=(folder / "secret_key").read_text().strip(),
        )
    )
    app.extensions["engine"].start()
    app.extensions["relay"].start()
    try:
        yield app
    finally:
        app.extensions["relay"].stop()
        app.extensions["engine"].stop()
        app.extensions["broker"].redis.close()
        with app.app_context():
            db.session.remove()
            db.engine.dispose()
            app.extensions["probing"].dispose()


def environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the application's settings."""
    ours = ("RTAPP_", "REDIS_", "DATABASE_", "SECRET_", "PROMETHEUS_", "WEB_CONCURRENCY", "FLASK_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(ours)}
    return {**kept, "PYTHONPATH": str(CHECKOUT), **more}
