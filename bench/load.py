"""The driver of a load generator: sends it commands and reads its reports."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from .home import HOME

OPEN_MARKER = "event: stream.open"
AT_ONCE = 200  # concurrent connects, well below any listen backlog

Target = tuple[str, list[str]]  # path, header lines


class Report(NamedTuple):
    """The counts and latencies of a group of streams since it was opened or reset."""

    seconds: float
    ready: int
    failed: int
    failure: str
    events: int
    fewest: int
    samples: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    timed_out: bool


class LoadError(Exception):
    """The clients did not receive the expected events: the measurement is invalid."""


class Load:
    """One load generator process. `with Load() as load:`"""

    def __enter__(self) -> "Load":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load_generator"],
            cwd=HOME, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    @property
    def pid(self) -> int:
        return self._process.pid

    def begin_open(
        self,
        group: str,
        port: int,
        targets: Sequence[Target],
        count: int,
        *,
        marker: str = OPEN_MARKER,
        http: str = "HTTP/1.1",
        events: int = 0,
        at_once: int = AT_ONCE,
        receive_buffer: int = 0,
        greeting: str = "",
        answer: str = "",
        delimiter: str = "\n\n",
        timeout: float = 120,
    ) -> None:
        """Open `count` streams at `targets`, in turn. Returns when each is open and has `events`.

        A stream is open once it has sent `marker` or, without a marker, once it is connected.
        To its `greeting`, each client sends the `answer`, in Latin-1. After the last `delimiter` of
        what has been read, an event may not be whole yet.
        """
        self._send(
            do="open", group=group, host="127.0.0.1", port=port, targets=targets, count=count,
            marker=marker, http=http, events=events, at_once=at_once,
            receive_buffer=receive_buffer, greeting=greeting, answer=answer, delimiter=delimiter,
            timeout=timeout,
        )  # fmt: skip

    def open(self, *arguments: Any, **options: Any) -> Report:
        self.begin_open(*arguments, **options)
        return self.opened()

    def opened(self) -> Report:
        """Wait for the streams of `begin_open`. Raises LoadError if not every stream opened."""
        report = self.answer()
        if report.failed or report.timed_out:
            raise LoadError(
                f"{report.failed} streams failed, {report.ready} are open: {report.failure}"
            )
        return report

    def reset(self) -> None:
        self._send(do="reset")
        self._read()

    def collect(self, group: str, events: int, timeout: float = 30) -> Report:
        """Wait until each stream of the group has `events`, at most `timeout` seconds."""
        self._send(do="collect", group=group, events=events, timeout=timeout)
        return self.answer()

    def pause(self, group: str) -> None:
        """Stop reading from these streams."""
        self._send(do="pause", group=group)
        self._read()

    def resume(self, group: str) -> None:
        self._send(do="resume", group=group)
        self._read()

    def close(self, group: str) -> None:
        self._send(do="close", group=group)
        self._read()

    def is_done(self) -> bool:
        """Whether the running command has been answered."""
        return bool(select.select([self._process.stdout], [], [], 0)[0])

    def answer(self) -> Report:
        return Report(**self._read())

    def _send(self, **command: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(command).encode() + b"\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise LoadError("The load generator has ended.")
        answer: dict[str, Any] = json.loads(line)
        return answer
