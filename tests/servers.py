"""A real server: `python app.py` in a process of its own, with a folder of its own."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from .waiting import eventually

CHECKOUT = Path(__file__).resolve().parent.parent
START_LIMIT = 30.0  # s
STOP_LIMIT = 40.0  # s, more than a drain takes

OURS = ("RTAPP_", "REDIS_URL", "DATABASE_URL", "SECRET_KEY", "HOST", "PORT", "PROMETHEUS_")


def environment(instance: Path, **more: str) -> dict[str, str]:
    """This process's environment without any setting of rtapp, but for those given."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    return {**clean, "RTAPP_INSTANCE": str(instance), "RTAPP_RATE_LIMITS": "off", **more}


class Server:
    """Runs while in its `with` block. `PORT=0` has the kernel choose a free port."""

    def __init__(self, instance: Path, **settings: str):
        instance.mkdir(parents=True, exist_ok=True)
        self.instance = instance
        self.settings = {"PORT": "0", **settings}
        self.url = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        return self.instance / "server.log"

    def start(self) -> "Server":
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "app.py"],
                cwd=CHECKOUT,
                env=environment(self.instance, **self.settings),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = eventually(self._announced, START_LIMIT)
        self.settings["PORT"] = self.url.rpartition(":")[2]  # a restart comes back there
        return self

    def _announced(self) -> str:
        said = self.log.read_text()
        assert self.process is not None
        assert self.process.poll() is None, f"the server has ended:\n{said}"
        match = re.search(r"rtapp is ready: (http://\S+)", said)
        return match[1] if match else ""

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(STOP_LIMIT)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                raise
            finally:
                self.process = None

    def kill(self) -> None:
        """Ends it without a chance to tidy up."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        self.process = None

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """`flask --app app …` beside the server."""
        return subprocess.run(
            [sys.executable, "-m", "flask", "--app", "app", *words],
            cwd=CHECKOUT,
            env=environment(self.instance, **self.settings),
            capture_output=True,
            text=True,
            timeout=60,
        )

    def token(self, email: str) -> str:
        done = self.command("token", "create", email)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def __enter__(self) -> "Server":
        return self.start()

    def __exit__(self, *error: Any) -> None:
        self.stop()
