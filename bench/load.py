"""The driver's side of a load generator: commands out, reports back."""

import json
import select
import subprocess
import sys
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from rtapp.config import CHECKOUT

OPEN_MARKER = "event: stream.open"
AT_ONCE = 200  # connects under way at once, well below any listen backlog

Target = tuple[str, list[str]]  # path, header lines


class Report(NamedTuple):
    """What a group of streams has seen since it was opened or reset."""

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
    """The clients did not get what they should; the benchmark has nothing to measure."""


class Load:
    """One load generator process. `with Load() as load:`"""

    def __enter__(self) -> "Load":
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.load_generator"],
            cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
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
        timeout: float = 120,
    ) -> None:
        """Opens `count` streams at `targets`, in turn. Done when each is open and has `events`.

        Open is a stream that sent `marker`; without a marker, one that is connected.
        """
        self._send(
            do="open", group=group, host="127.0.0.1", port=port, targets=targets, count=count,
            marker=marker, http=http, events=events, at_once=at_once,
            receive_buffer=receive_buffer, timeout=timeout,
        )  # fmt: skip

    def open(self, *arguments: Any, **options: Any) -> Report:
        self.begin_open(*arguments, **options)
        return self.opened()

    def opened(self) -> Report:
        """Waits for what `begin_open` began. Raises LoadError if not every stream opened."""
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
        """Waits until each stream of the group has `events`, at most `timeout` seconds."""
        self._send(do="collect", group=group, events=events, timeout=timeout)
        return self.answer()

    def pause(self, group: str) -> None:
        """Stops reading from these streams."""
        self._send(do="pause", group=group)
        self._read()

    def resume(self, group: str) -> None:
        self._send(do="resume", group=group)
        self._read()

    def close(self, group: str) -> None:
        self._send(do="close", group=group)
        self._read()

    def is_done(self) -> bool:
        """Whether the answer to the command under way is there."""
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
