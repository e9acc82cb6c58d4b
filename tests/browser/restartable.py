"""A server of one's own, whose data a test may reach: from a shell, or by stopping it."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Self

ROOT = Path(__file__).parent.parent.parent


class Restartable:
    """A server that comes back at the same address, with the same data."""

    def __init__(self, folder: Path, **environ: str):
        self.folder = folder
        self.log = folder / "server.log"
        self.environ = {**os.environ, "PORT": "0", "RTAPP_INSTANCE": str(folder), **environ}

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"], cwd=ROOT, env=self.environ, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while not (ready := re.search(r"ready: (\S+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.05)
        self.address = ready[1]
        self.environ["PORT"] = self.address.rpartition(":")[2]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(40)

    def flask(self, *command: str) -> str:
        """What a command of `flask --app app` prints, beside the running server."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *command],
            cwd=ROOT, env=self.environ, capture_output=True, text=True, check=True, timeout=60,
        ).stdout.strip()  # fmt: skip

    def post(self, token: str, path: str, **data: object) -> None:
        """From a script, as whoever the token is of."""
        request = urllib.request.Request(
            self.address + path,
            json.dumps(data).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status in (200, 201, 204)

    def say(self, conversation: int, content: str) -> None:
        """As Ada, from a script."""
        token = self.flask("token", "create", "ada@example.com")
        self.post(token, f"/conversations/{conversation}/messages", content=content)
