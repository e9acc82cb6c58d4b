"""The floor of requests: a bare Flask application (bare_app.py), in the same run."""

import http.client
import json
import subprocess
import sys
import time
from pathlib import Path

from . import measures
from .home import HOME
from .server import ServerError
from .server import free_port

NOTHING = "/nothing"  # 204
ROWS = "/rows"  # inserts a row and commits
HEADERS = {"Content-Type": "application/json"}
WARM = 50
START_LIMIT = 30.0  # s


class Bare:
    """`with Bare(folder) as bare:` runs it with a database of its own in the folder."""

    def __init__(self, folder: Path):
        self._database = folder / "bare.db"
        self.port = free_port()

    def __enter__(self) -> "Bare":
        url = f"sqlite:///{self._database}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.bare_app", str(self.port), url], cwd=HOME
        )
        self._wait_until_it_answers()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()
        for path in self._database.parent.glob(f"{self._database.name}*"):
            path.unlink()

    def cpu(self) -> float:
        return measures.cpu_seconds(self._process.pid)

    def cpu_per_post(self, path: str, body: object, posts: int, rate: float = 0) -> float:
        """CPU seconds per POST: `rate` a second, each on a connection of its own; without a rate
        one after the other, on one connection."""
        self._post(path, body, WARM)
        cpu = self.cpu()
        self._post(path, body, posts, rate)
        return (self.cpu() - cpu) / posts

    def _post(self, path: str, body: object, posts: int, rate: float = 0) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self.port)
        start = time.monotonic()
        for n in range(posts):
            if rate:
                connection.close()
                time.sleep(max(0.0, start + n / rate - time.monotonic()))
            connection.request("POST", path, json.dumps(body), HEADERS)
            response = connection.getresponse()
            response.read()
            assert response.status in (201, 204), response.status
        connection.close()

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self._post(NOTHING, {}, 1)
                return
            except OSError:
                time.sleep(0.1)
        self._process.kill()
        raise ServerError("The bare application did not start.")


def cpu_per_insert(folder: Path, posts: int, rate: float = 0) -> float:
    """CPU seconds of a POST that inserts a row and commits: see `Bare.cpu_per_post`."""
    with Bare(folder) as bare:
        body = {"content": f"sent_at={time.monotonic_ns()} Hello, any news?"}
        return bare.cpu_per_post(ROWS, body, posts, rate)


def cpu_per_nothing(folder: Path, posts: int) -> float:
    """CPU seconds of a POST that answers 204, one after the other."""
    with Bare(folder) as bare:
        return bare.cpu_per_post(NOTHING, {"typing": True}, posts)
