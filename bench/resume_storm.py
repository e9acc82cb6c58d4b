"""All clients reconnect at once, a hundred events behind, while another client is being served."""

import time

from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Report
from .publisher import Publisher
from .publisher import frame_size

SCENARIO = "resume storm"
STREAMS = 5_000
STREAMS_QUICK = 1_000
BEHIND = 100  # events
CONVERSATION = 1
OTHER_RATE = 50.0  # events/s of the other live client
CALM = 3.0  # s of the other client's events without load, the baseline
LIMIT = 120.0  # s


def run(lab: Lab) -> None:
    streams = STREAMS_QUICK if lab.quick else STREAMS
    log_progress(f"{streams} clients resume, {BEHIND} events behind")
    floor = lab.floor(streams, 10, frame_size())
    with lab.server() as server, Load() as load, Load() as elsewhere:
        publisher = Publisher(server.broker)
        other = server.world.conversations[0]
        targets = server.world.targets([f"/streams/conversations/{other}"])
        elsewhere.open("other", server.port, targets, 1)
        calm = live(elsewhere, publisher, other, CALM)
        cursor = str(server.broker.position(1))
        for _ in range(BEHIND):
            publisher.publish(CONVERSATION)
        time.sleep(1)
        cpu = server.cpu()
        elsewhere.reset()
        path = f"/streams/conversations/{CONVERSATION}"
        load.begin_open(
            "back", server.port,
            server.world.targets([path], f"Last-Event-ID: {cursor}"),
            streams, events=BEHIND, timeout=LIMIT,
        )  # fmt: skip
        sent = publisher.publish_until(load.is_done, other, OTHER_RATE, LIMIT)
        report = load.opened()
        cpu = server.cpu() - cpu
        during = elsewhere.collect("other", sent)
    exact = report.events == streams * BEHIND
    note = (
        "each event once" if exact else f"EXPECTED {streams * BEHIND} events, got {report.events}"
    )
    what = f"{streams} clients, {BEHIND} events each"
    lab.add(SCENARIO, f"{what}: all caught up after", report.seconds, "s", None, note)
    lab.add(
        SCENARIO, "server CPU per event, connects included",
        cpu / report.events * 1e6, "µs", floor.cpu_us, "about 65 frames to a write",
    )  # fmt: skip
    lab.add(
        SCENARIO,
        "another live client, max",
        during.max_ms,
        "ms",
        None,
        f"calm: {calm.max_ms:.1f} ms",
    )
    lab.add(
        SCENARIO,
        "another live client, p99",
        during.p99_ms,
        "ms",
        None,
        f"calm: {calm.p99_ms:.1f} ms",
    )


def live(elsewhere: Load, publisher: Publisher, conversation: int, seconds: float) -> Report:
    elsewhere.reset()
    count = round(seconds * OTHER_RATE)
    publisher.publish_evenly([conversation], OTHER_RATE, count)
    return elsewhere.collect("other", count)
