"""Many conversations with two subscribers each: the cost per topic rather than per socket."""

import time

from .lab import Lab
from .lab import log_progress
from .load import Load
from .publisher import Publisher
from .publisher import frame_size

SCENARIO = "small topics"
WATCHERS = 2
RATE = 500.0  # events/s, all topics together
SECONDS = (10, 4)  # full, quick


def run(lab: Lab) -> None:
    topics = lab.world.conversations
    streams = len(topics) * WATCHERS
    events = round(RATE * lab.seconds(*SECONDS))
    events -= events % len(topics)  # the same number for each topic
    log_progress(f"{len(topics)} topics with {WATCHERS} subscribers each")
    floor = lab.floor(streams, RATE, frame_size(), per_round=WATCHERS)
    with lab.server() as server, Load() as load:
        paths = [f"/streams/conversations/{topic}" for topic in topics]
        load.open("all", server.port, server.world.targets(paths), streams)
        publisher = Publisher(server.broker)
        time.sleep(2)
        started, cpu = time.monotonic(), server.cpu()
        time.sleep(lab.seconds(10, 3))
        idle = (server.cpu() - cpu) / (time.monotonic() - started)
        load.reset()
        cpu = server.cpu()
        publisher.publish_evenly(topics, RATE, events)
        report = load.collect("all", events // len(topics))
        cpu = server.cpu() - cpu
    missing = f"; INCOMPLETE: {report.events} of {events * WATCHERS}" * report.timed_out
    what = f"{len(topics)} topics × {WATCHERS}, {RATE:.0f} events/s"
    lab.add(
        SCENARIO, f"{what}: server CPU per delivery", cpu / report.events * 1e6, "µs", floor.cpu_us,
        f"idle beside it: {idle * 1000:.1f} ms CPU/s, not subtracted{missing}",
    )  # fmt: skip
    lab.add(SCENARIO, "publish to receive p50", report.p50_ms, "ms", floor.p50_ms)
    lab.add(SCENARIO, "publish to receive p99", report.p99_ms, "ms", floor.p99_ms)
