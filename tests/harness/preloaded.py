"""`python app.py` without the 2 s of CPU in which it loads its modules: they have been loaded."""

import json
import os
import signal
import socket
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import IO

from .waiting import PATIENCE
from .waiting import eventually

CHECKOUT = Path(__file__).resolve().parents[2]


class Process:
    """A server's process, with the methods of subprocess.Popen that tests use."""

    def __init__(self, pid: int, report: int):
        self.pid = pid
        self.returncode: int | None = None
        self._report = report
        os.set_blocking(report, False)

    def poll(self) -> int | None:
        if self.returncode is None:
            try:
                code = os.read(self._report, 16)
            except BlockingIOError:
                return None
            os.close(self._report)
            assert code, "the process that forks the servers has ended"
            self.returncode = int(code)
        return self.returncode

    def wait(self, timeout: float = PATIENCE) -> int:
        eventually(lambda: self.poll() is not None, "the server ends", timeout)
        assert self.returncode is not None
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


@cache
def loaded() -> "tuple[socket.socket, subprocess.Popen[bytes]]":
    """A process with the application's modules, and a connection to it, with which it ends."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.harness.preloading", str(its.fileno())],
            cwd=CHECKOUT, pass_fds=[its.fileno()],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
    return ours, process  # forgotten, it would be a leak to Python


def serve(environ: dict[str, str], log: IO[bytes]) -> Process:
    """Start a server with this environment, and no other variables."""
    requests, _ = loaded()
    report, its = os.pipe()
    socket.send_fds(requests, [json.dumps(environ).encode()], [log.fileno(), its])
    os.close(its)
    pid = requests.recv(16)
    assert pid, "the application could not be loaded: see above"
    return Process(int(pid), report)
