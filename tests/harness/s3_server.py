"""A real S3 server over HTTP: moto's, as a process of its own."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from .waiting import eventually

BUCKET = "files"
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_REGION": "us-east-1",
}  # fmt: skip


class S3Server:
    """It keeps its objects in memory, until it is stopped. `url`: its address."""

    def __init__(self, port: int):
        self.url = f"http://127.0.0.1:{port}"
        clean = {k: v for k, v in os.environ.items() if not k.startswith("MOTO_")}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=clean,
        )  # fmt: skip

    def make_bucket(self) -> None:
        eventually(self._answers, "the S3 server answers")
        assert httpx.put(f"{self.url}/{BUCKET}").status_code == 200

    def names(self) -> list[str]:
        """The keys of its objects."""
        listed = httpx.get(f"{self.url}/{BUCKET}?list-type=2").text
        return sorted(part.partition("</Key>")[0] for part in listed.split("<Key>")[1:])

    def pause(self) -> None:
        """It takes connections, and answers nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the S3 server has ended"
        try:
            return httpx.get(self.url).status_code > 0
        except httpx.TransportError:
            return False


@contextmanager
def s3_server(port: int) -> Iterator[S3Server]:
    server = S3Server(port)
    try:
        server.make_bucket()
        yield server
    finally:
        server.stop()
