"""flask-sse in comparison: the same fan-out in the same run, with a redis-server of its own."""

import json
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from rtapp.realtime.embedded_redis import redis_server

from . import floor
from . import measures
from .home import HOME
from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Report
from .publisher import EVENT
from .publisher import envelope
from .publisher import frame_size
from .server import free_port

SCENARIO = "flask-sse"
SUBSCRIBERS = (100, 1_000)
SUBSCRIBERS_QUICK = (100,)
RATE = 10.0  # events/s for few
RATE_OF_MANY = 1.0  # events/s for over a hundred; at 10 its one core is saturated
CHANNEL = "sse"  # the default
START_LIMIT = 20.0  # s


def run(lab: Lab) -> None:
    if find_spec("flask_sse") is None:
        lab.add(SCENARIO, "not installed", float("nan"), "", None, "see requirements-bench.txt")
        return
    for subscribers in SUBSCRIBERS_QUICK if lab.quick else SUBSCRIBERS:
        rate = RATE if subscribers <= 100 else RATE_OF_MANY
        log_progress(f"flask-sse: fan-out to {subscribers} subscribers")
        least = lab.floor(subscribers, rate, frame_size())
        with Rival(lab.folder / f"flask-sse-{subscribers}") as rival, Load() as load:
            measure(lab, rival, load, subscribers, rate, least)


def measure(
    lab: Lab, rival: "Rival", load: Load, subscribers: int, rate: float, least: floor.Floor
) -> None:
    load.open("warm", rival.port, [("/stream", [])], 1, marker="", http="HTTP/1.0")
    rival.wait_for(1)
    empty = rival.resident()
    # No marker: it sends nothing, not even headers, before the first event.
    load.open("all", rival.port, [("/stream", [])], subscribers, marker="", http="HTTP/1.0")
    rival.wait_for(1 + subscribers)
    time.sleep(2)
    held = (rival.resident() - empty) / subscribers
    rival.publish()  # the headers go out with the first
    load.collect("all", 1)
    load.reset()
    events = round(lab.seconds(10, 5) * rate)
    cpu, start = rival.cpu(), time.monotonic()
    for n in range(events):
        time.sleep(max(0.0, start + n / rate - time.monotonic()))
        rival.publish()
    report = load.collect("all", events)
    cpu = rival.cpu() - cpu
    add_rows(lab, report, subscribers, rate, cpu, held, least)


def add_rows(
    lab: Lab,
    report: Report,
    subscribers: int,
    rate: float,
    cpu: float,
    held: float,
    least: floor.Floor,
) -> None:
    many = f"{subscribers} subscribers"
    note = f"{rate:g} events/s" + "; INCOMPLETE" * report.timed_out
    per_delivery = cpu / max(1, report.events) * 1e6
    lab.add(SCENARIO, f"{many}: server CPU per delivery", per_delivery, "µs", least.cpu_us, note)
    lab.add(SCENARIO, f"{many}: publish to receive p50", report.p50_ms, "ms", least.p50_ms)
    lab.add(SCENARIO, f"{many}: publish to receive p99", report.p99_ms, "ms", least.p99_ms)
    lab.add(
        SCENARIO, f"{many}: resident per stream", held / 1024, "KiB", None, "no replay, no access"
    )


class Rival:
    """The rival's server and its redis-server."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.port = free_port()

    def __enter__(self) -> "Rival":
        self.folder.mkdir()
        address = self.folder / "redis.sock"
        self._redis_server = subprocess.Popen(
            [
                redis_server(), "--port", "0", "--unixsocket", str(address), "--save", "",
                "--dir", str(self.folder), "--logfile", str(self.folder / "redis.log"),
            ]
        )  # fmt: skip
        self._redis = Redis.from_url(f"unix://{address}")
        self._until(self._redis.ping)
        self._app = subprocess.Popen(
            [sys.executable, "-m", "bench.flask_sse_app", str(self.port), f"unix://{address}"],
            cwd=HOME,
        )
        time.sleep(2)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._redis.close()
        for process in (self._app, self._redis_server):
            process.kill()
            process.wait()

    def cpu(self) -> float:
        return measures.cpu_seconds(self._app.pid)

    def resident(self) -> int:
        return measures.resident_bytes(self._app.pid)

    def publish(self) -> None:
        """Publish as `sse.publish` does."""
        self._redis.publish(CHANNEL, json.dumps({"data": envelope(1, 1), "type": EVENT}))

    def wait_for(self, subscribers: int) -> None:
        self._until(lambda: self._redis.pubsub_numsub(CHANNEL)[0][1] >= subscribers)

    @staticmethod
    def _until(true: object) -> None:
        assert callable(true)
        deadline = time.monotonic() + START_LIMIT
        while time.monotonic() < deadline:
            try:
                if true():
                    return
            except (RedisConnectionError, FileNotFoundError):
                pass
            time.sleep(0.05)
        raise TimeoutError("flask-sse or its Redis did not get ready")
