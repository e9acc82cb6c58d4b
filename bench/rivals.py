"""Other servers in comparison: the same fan-out in the same run, ours as one of them."""

import time

from . import floor
from . import measures
from .action_cable import ActionCable
from .flask_sse import FlaskSse
from .lab import Lab
from .lab import log_progress
from .load import Load
from .nchan import Nchan
from .ours import Ours
from .publisher import frame_size
from .rival import Rival

SCENARIO = "rivals"
SUBSCRIBERS, SUBSCRIBERS_QUICK = 1_000, 100
RATE = 5.0  # events/s
MANY, RATE_OF_MANY = 5_000, 10.0  # for those whose one core is not saturated by it
SETTLE = 2.0  # s after the last stream has opened
RIVALS: tuple[type[Rival], ...] = (Ours, Nchan, FlaskSse, ActionCable)


def run(lab: Lab) -> None:
    subscribers = SUBSCRIBERS_QUICK if lab.quick else SUBSCRIBERS
    installed = [rival for rival in RIVALS if rival.missing() is None]
    for rival in RIVALS:
        if (missing := rival.missing()) is not None:
            log_progress(f"{rival.name} is not installed: {missing}")
    compare(lab, installed, subscribers, RATE)
    if not lab.quick:
        compare(lab, [rival for rival in installed if rival.of_many], MANY, RATE_OF_MANY)


def compare(lab: Lab, rivals: list[type[Rival]], subscribers: int, rate: float) -> None:
    before = lab.floor(subscribers, rate, frame_size())
    found = [measure(lab, rival(lab), subscribers, rate) for rival in rivals]
    least = floor.mean(before, lab.floor(subscribers, rate, frame_size()))
    for rows in found:
        for what, value, unit, note in rows:
            of_floor = least.cpu_us if unit == "µs" else None
            if unit == "ms":
                of_floor = least.p50_ms if what.endswith("p50") else least.p99_ms
            lab.add(SCENARIO, what, value, unit, of_floor, note)


def measure(
    lab: Lab, rival: Rival, subscribers: int, rate: float
) -> list[tuple[str, float, str, str]]:
    """Rows without the loop's values: what, value, unit, note."""
    who = f"{rival.name}, {subscribers} subscribers"
    log_progress(who)
    with rival, Load() as load:
        load.open("warm", rival.port, rival.targets(), 1, **rival.client)
        rival.wait_for(1)
        empty, kernel = rival.resident(), measures.socket_memory()
        load.open("all", rival.port, rival.targets(), subscribers, **rival.client)
        rival.wait_for(1 + subscribers)
        time.sleep(SETTLE)
        held = (rival.resident() - empty) / subscribers
        in_kernel = lab.kernel_memory(kernel, subscribers)
        rival.publish(0)  # flask-sse sends its headers with the first
        load.collect("all", 1)
        load.reset()
        events = round(lab.seconds(10, 5) * rate)
        cpu, start = rival.cpu(), time.monotonic()
        for n in range(events):
            time.sleep(max(0.0, start + n / rate - time.monotonic()))
            rival.publish(1 + n)
        report = load.collect("all", events)
        cpu = rival.cpu() - cpu
    note = f"{rate:g} events/s" + "; INCOMPLETE" * report.timed_out
    rows = [
        (f"{who}: server CPU per delivery", cpu / max(1, report.events) * 1e6, "µs", note),
        (f"{who}: publish to receive p50", report.p50_ms, "ms", ""),
        (f"{who}: publish to receive p99", report.p99_ms, "ms", ""),
        (f"{who}: resident each", held / 1024, "KiB", rival.note),
    ]
    if in_kernel is not None:
        rows.append((f"{who}: kernel memory each", in_kernel / 1024, "KiB", ""))
    return rows
