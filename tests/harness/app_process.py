"""`python app.py` as a process of its own, in a folder of its own, on a free port."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Self

from .preloaded import Process
from .preloaded import serve
from .waiting import eventually

CHECKOUT = Path(__file__).resolve().parents[2]
COMMAND_LIMIT = 300  # s for a command beside it
# Variables that would have the application use anything but the test's own.
CLEARED = (
    "RTAPP_", "REDIS_", "DATABASE_", "SECRET_", "PROMETHEUS_", "FLASK_", "HOST", "PORT", "VAPID_",
    "PUSH_",
)  # fmt: skip


class AppProcess:
    """A server that may be stopped, and comes back at the same address with the same data.

    A context manager: it is started on entry and stopped on exit.
    """

    preloaded = False  # whether the modules are loaded before: for tests of all but the start

    def __init__(self, folder: Path, **environ: str):
        self.folder = folder
        self.log = folder / "server.log"
        clean = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)}
        self.environ = {**clean, "PORT": "0", "RTAPP_INSTANCE": str(folder), **environ}
        self.url = ""
        self.umask = -1  # -1: as this process
        self._tokens: dict[str, str] = {}
        self._process: subprocess.Popen[bytes] | Process | None = None

    def __enter__(self) -> Self:
        try:
            return self.start()
        except BaseException:
            self.stop(signal.SIGKILL)
            raise

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def process(self) -> "subprocess.Popen[bytes] | Process":
        assert self._process is not None, "it has not been started"
        return self._process

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    def run(self, descriptors: int | None = None) -> Self:
        """Start it, without waiting; with at most so many `descriptors`, or all."""
        limited = ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []
        with self.log.open("wb") as log:
            if self.preloaded:
                assert not limited
                self._process = serve(self.environ, log)
                return self
            self._process = subprocess.Popen(
                [*limited, sys.executable, "app.py"], cwd=CHECKOUT, env=self.environ,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, umask=self.umask,
            )  # fmt: skip
        return self

    def start(self, descriptors: int | None = None) -> Self:
        """Start it, and wait until it is ready."""
        self.run(descriptors)
        self.url = eventually(self._announced, "the server is ready", observed=self.log.read_text)
        if not self.environ.get("HOST", "").startswith("unix:"):
            self.environ["PORT"] = str(self.port)
        return self

    def _announced(self) -> str:
        text = self.log.read_text()
        assert self.process.poll() is None, text
        ready = re.search(r"rtapp is ready: (\S+)", text)
        return ready[1] if ready else ""

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it, if it runs. Returns its exit code."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(how)
        return self._process.wait(COMMAND_LIMIT)

    def flask(self, *words: str, given: str = "") -> str:
        """What a command of `flask --app app` prints, beside the server, for this input."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *words],
            cwd=CHECKOUT, env=self.environ, capture_output=True, text=True, check=True,
            timeout=COMMAND_LIMIT, input=given,
        ).stdout.strip()  # fmt: skip

    def token(self, email: str) -> str:
        """A token of the user, made once: the command takes longer than most tests."""
        if email not in self._tokens:
            token = self.flask("token", "create", email, "--scope", "admin")
            assert len(token.split()) == 1, token  # the token and nothing else
            self._tokens[email] = token
        return self._tokens[email]

    def bearer(self, email: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(email)}"}
