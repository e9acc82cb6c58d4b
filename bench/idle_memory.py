"""The memory of an idle stream."""

import time

from .lab import Lab
from .lab import log_progress
from .load import Load

SCENARIO = "idle memory"
WARM = 100  # streams opened before the first measurement, which fill imports and caches
STREAMS = (5_000, 15_000)
STREAMS_QUICK = (2_000,)


def run(lab: Lab) -> None:
    with lab.server() as server, Load() as load:
        targets = server.world.targets(["/streams/conversations/1"])
        load.open("warm", server.port, targets, WARM)
        time.sleep(lab.seconds(10, 3))
        empty = server.resident()
        opened = WARM
        for streams in STREAMS_QUICK if lab.quick else STREAMS:
            log_progress(f"memory of {streams} idle streams")
            load.open(f"up to {streams}", server.port, targets, streams - opened)
            opened = streams
            time.sleep(lab.seconds(20, 4))  # over a heartbeat, so that each stream was pinged
            held = (server.resident() - empty) / (streams - WARM)
            note = f"server {empty / 2**20:.0f} MiB with {WARM} streams"
            lab.add(
                SCENARIO, f"{streams} streams: resident per stream", held / 1024, "KiB", None, note
            )
