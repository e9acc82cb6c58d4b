"""As many streams as the machine carries, 100 000 at most: memory, pings, and one event to all.

A process has as many as its descriptors allow. The processes are those of one host: they share the
database and the redis-server.
"""

import math
import time
from contextlib import ExitStack

from rtapp.realtime import frames

from . import measures
from .idle_pings import PING
from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import LoadError
from .publisher import Publisher
from .publisher import frame_size
from .server import Server

SCENARIO = "many streams"
STREAMS, STREAMS_QUICK = 100_000, 4_000
PER_PROCESS_QUICK = 2_000
SHARE_OF_STREAMS = 0.85  # of a process's descriptors; the server refuses those over 7/8
IN_THE_LOOP = 15_000  # sockets of the floor, which is one process
CONVERSATION = 1
WARM = 50
SETTLE = 20.0  # s after the last stream has opened: until each has been pinged
OPENING = 600  # s, at most
EVENTS = 5  # to all, one after the other
PAUSE = 3.0  # s between two of them


def run(lab: Lab) -> None:
    wanted = STREAMS_QUICK if lab.quick else STREAMS
    limit = measures.raise_descriptor_limit()
    each = PER_PROCESS_QUICK if lab.quick else min(wanted, int(limit * SHARE_OF_STREAMS))
    processes = math.ceil(wanted / each)
    each = math.ceil(wanted / processes)
    log_progress(f"{processes} processes of {each} streams")
    sockets = min(IN_THE_LOOP, each)
    pings = lab.floor(sockets, 1, len(PING), sockets // frames.HEARTBEAT, frames.HEARTBEAT)
    deliveries = lab.floor(sockets, 2, frame_size())
    with ExitStack() as stack:
        servers = [stack.enter_context(lab.server())]
        for _ in range(processes - 1):
            servers.append(stack.enter_context(lab.server(servers[0])))
        loads = [stack.enter_context(Load()) for _ in servers]
        targets = servers[0].world.targets([f"/streams/conversations/{CONVERSATION}"])
        for server, load in zip(servers, loads, strict=True):
            load.open("warm", server.port, targets, WARM)
        empty, kernel = resident(servers), measures.socket_memory()
        used, since = cpu(servers), time.monotonic()
        for server, load in zip(servers, loads, strict=True):
            load.begin_open("all", server.port, targets, each, timeout=OPENING)
        streams = opened(loads)
        seconds, used = time.monotonic() - since, cpu(servers) - used
        many = f"{streams} streams"
        note = f"{processes} processes; {seconds:.0f} s in all"
        lab.add(SCENARIO, f"{many}: server CPU each opened", used / streams * 1e6, "µs", None, note)
        time.sleep(SETTLE)
        held = (resident(servers) - empty) / streams
        lab.add(SCENARIO, f"{many}: resident each", held / 1024, "KiB")
        lab.add_kernel_memory(SCENARIO, many, kernel, streams)
        used, since = cpu(servers), time.monotonic()
        time.sleep(2 * frames.HEARTBEAT if not lab.quick else frames.HEARTBEAT)
        idle = (cpu(servers) - used) / (time.monotonic() - since) * 1e3
        floor = pings.cpu_us / 1e3 * streams / frames.HEARTBEAT
        lab.add(SCENARIO, f"{many}: server CPU per second, idle", idle, "ms", floor, "the pings")
        deliver(lab, servers, loads, many, deliveries.cpu_us)


def deliver(lab: Lab, servers: list[Server], loads: list[Load], many: str, floor_us: float) -> None:
    publisher = Publisher(servers[0].broker)
    for load in loads:
        load.reset()
    used = cpu(servers)
    publisher.publish_evenly([CONVERSATION], 1 / PAUSE, EVENTS)
    reports = [load.collect("all", EVENTS) for load in loads]
    used = cpu(servers) - used
    events = sum(report.events for report in reports)
    note = f"{EVENTS} events, {PAUSE:g} s apart" + "; INCOMPLETE" * any(
        r.timed_out for r in reports
    )
    per_delivery = used / max(1, events) * 1e6
    lab.add(SCENARIO, f"{many}: server CPU per delivery", per_delivery, "µs", floor_us, note)
    slowest = max(report.max_ms for report in reports)
    lab.add(SCENARIO, f"{many}: publish to the last one, at most", slowest, "ms")


def opened(loads: list[Load]) -> int:
    """The streams that opened; fewer than wanted where the machine does not carry them."""
    ready = 0
    for load in loads:
        try:
            ready += load.opened().ready
        except LoadError as error:
            log_progress(str(error))
            ready += load.collect("all", 0).ready
    return ready


def resident(servers: list[Server]) -> int:
    return sum(server.resident() for server in servers)


def cpu(servers: list[Server]) -> float:
    return sum(server.cpu() for server in servers)
