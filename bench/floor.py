"""The floor of every measurement: a plain loop of `send()`, measured in the same run."""

import atexit
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

from .load import Load
from .load import LoadError

SOURCE = Path(__file__).with_name("send_loop.c")
ROUNDS_AT_LEAST = 20


class Floor(NamedTuple):
    """A run of the loop. CPU in seconds, latencies in ms."""

    frames: int
    cpu_us: float  # per frame
    p50_ms: float
    p99_ms: float
    open_us: float  # CPU per accepted and answered connection
    bytes_per_socket: float


@cache
def command() -> tuple[str, ...]:
    """The command of the compiled loop or, without a compiler, of its Python version."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        return (sys.executable, str(SOURCE.with_suffix(".py")))
    folder = Path(tempfile.mkdtemp(prefix="rtapp-bench-loop-"))
    atexit.register(shutil.rmtree, folder)
    program = folder / "send_loop"
    subprocess.run([compiler, "-O2", "-o", program, SOURCE], check=True)
    return (str(program),)


def name() -> str:
    return "Python loop (no C compiler here)" if len(command()) > 1 else "C loop"


def measure(
    load: Load, sockets: int, rate: float, seconds: float, size: int, per_round: int = 0
) -> Floor:
    """Send one frame of `size` bytes to `per_round` sockets (default all), `rate` a second."""
    per_round = per_round or sockets
    rounds = max(ROUNDS_AT_LEAST, round(rate * seconds))
    words = [*command(), *map(str, (sockets, per_round, rate, rounds, size))]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as loop:
        assert loop.stdin is not None
        assert loop.stdout is not None
        try:
            port = int(loop.stdout.readline().split()[1])
            load.open("floor", port, [("/", [])], sockets)
            _, open_cpu, resident = loop.stdout.readline().split()
            load.reset()
            loop.stdin.write("go\n")
            loop.stdin.flush()
            _, frames, cpu, short = loop.stdout.readline().split()
            report = load.collect("floor", rounds * per_round // sockets)
            load.close("floor")
            loop.stdin.close()
        except BaseException:
            loop.kill()
            raise
    if int(short) * 100 > int(frames):
        raise LoadError(f"The loop's clients were too slow: {short} frames were refused.")
    return Floor(
        int(frames), float(cpu) / int(frames) * 1e6, report.p50_ms, report.p99_ms,
        float(open_cpu) / sockets * 1e6, int(resident) * 1024 / sockets,
    )  # fmt: skip


def mean(*floors: Floor) -> Floor:
    return Floor(*(sum(values) / len(floors) for values in zip(*floors, strict=True)))  # type: ignore[arg-type]
