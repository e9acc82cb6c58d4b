"""One conversation with many viewers: a delivery's CPU cost on the server, and its latency."""

import time
from typing import NamedTuple

from . import floor
from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Report
from .publisher import Publisher
from .publisher import frame_size
from .server import Server

SCENARIO = "fan-out"
SUBSCRIBERS = (1, 100, 5_000, 15_000)
SUBSCRIBERS_QUICK = (1, 100, 2_000)
CROWD, CROWD_QUICK = 5_000, 2_000
RATE = 10.0  # events/s
CONVERSATION = 1
SETTLE = 2.0  # s after the last stream has opened


class FanOut(NamedTuple):
    report: Report
    cpu_us: float  # of the server, per delivery
    idle: float  # CPU seconds of the server per second with open streams and no events


def run(lab: Lab) -> None:
    for subscribers in SUBSCRIBERS_QUICK if lab.quick else SUBSCRIBERS:
        fan_out(lab, subscribers)


def crowd(lab: Lab) -> None:
    fan_out(lab, CROWD_QUICK if lab.quick else CROWD)


def fan_out(lab: Lab, subscribers: int) -> None:
    log_progress(f"fan-out to {subscribers} subscribers")
    before = lab.floor(subscribers, RATE, frame_size())
    with lab.server() as server, Load() as load:
        paths = [f"/streams/conversations/{CONVERSATION}"]
        load.open("all", server.port, server.world.targets(paths), subscribers)
        found = measure(lab, server, load, subscribers)
    after = lab.floor(subscribers, RATE, frame_size())
    add_rows(lab, SCENARIO, subscribers, found, floor.mean(before, after))


def measure(lab: Lab, server: Server, load: Load, subscribers: int) -> FanOut:
    publisher = Publisher(server.broker)
    events = round(RATE * lab.seconds(10, 4))
    time.sleep(SETTLE)
    idle_from, idle_cpu = time.monotonic(), server.cpu()
    time.sleep(lab.seconds(10, 3))
    idle = (server.cpu() - idle_cpu) / (time.monotonic() - idle_from)
    load.reset()
    cpu = server.cpu()
    publisher.publish_evenly([CONVERSATION], RATE, events)
    report = load.collect("all", events)
    cpu = server.cpu() - cpu
    return FanOut(report, cpu / max(1, report.events) * 1e6, idle)


def add_rows(lab: Lab, scenario: str, subscribers: int, found: FanOut, floor: floor.Floor) -> None:
    report = found.report
    missing = "" if not report.timed_out else f"; INCOMPLETE, fewest {report.fewest} events"
    idle = f"idle beside it: {found.idle * 1000:.1f} ms CPU/s, not subtracted"
    what = f"{subscribers} subscribers: server CPU per delivery"
    lab.add(scenario, what, found.cpu_us, "µs", floor.cpu_us, idle + missing)
    for share, value, least in (
        ("p50", report.p50_ms, floor.p50_ms),
        ("p99", report.p99_ms, floor.p99_ms),
    ):
        lab.add(
            scenario, f"{subscribers} subscribers: publish to receive {share}", value, "ms", least
        )
