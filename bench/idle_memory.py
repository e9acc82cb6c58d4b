"""The memory of an idle stream: the server's, and the kernel's for its socket."""

import time
from collections.abc import Sequence

from . import measures
from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Target
from .server import Server

SCENARIO = "idle memory"
WARM = 100  # streams opened before the first measurement, which fill imports and caches
STREAMS = (5_000, 15_000)
STREAMS_QUICK = (1_000, 2_000)
# What an agent's page has on one connection.
AGENT = "/streams?stream=account:1&stream=conversation:1&stream=presence:1"
AGENTS, AGENTS_QUICK = (5_000,), (500,)


def run(lab: Lab) -> None:
    with lab.server() as server:
        targets = server.world.targets(["/streams/conversations/1"])
        measure(lab, server, targets, STREAMS_QUICK if lab.quick else STREAMS, "streams")


def agents(lab: Lab) -> None:
    with lab.server() as server:
        targets = server.world.targets([AGENT])
        measure(lab, server, targets, AGENTS_QUICK if lab.quick else AGENTS, "agents")


def measure(
    lab: Lab, server: Server, targets: Sequence[Target], counts: Sequence[int], what: str
) -> None:
    with Load() as load:
        load.open("warm", server.port, targets, WARM)
        time.sleep(lab.seconds(10, 3))
        empty, kernel = server.resident(), measures.socket_memory()
        opened = WARM
        for streams in counts:
            log_progress(f"memory of {streams} idle {what}")
            load.open(f"up to {streams}", server.port, targets, streams - opened, timeout=300)
            opened = streams
            time.sleep(lab.seconds(20, 4))  # over a heartbeat, so that each stream was pinged
            held = (server.resident() - empty) / (streams - WARM)
            note = f"server {empty / 2**20:.0f} MiB with {WARM} streams"
            size = f"{streams} {what}{' in all' * (streams != counts[0])}"
            lab.add(SCENARIO, f"{size}: resident each", held / 1024, "KiB", None, note)
            lab.add_kernel_memory(SCENARIO, size, kernel, streams - WARM)
