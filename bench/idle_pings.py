"""The CPU of idle streams: pings, leases and their renewal, beside a loop that sends the pings.

Each of the conversations has two streams, as in small topics.
"""

import time

from rtapp.realtime import frames
from rtapp.realtime.cursor import Cursor

from .lab import Lab
from .lab import log_progress
from .load import Load
from .small_topics import WATCHERS

SCENARIO = "idle pings"
SETTLE = 20.0  # s after the last stream has opened: until each has been pinged
PERIODS = (2, 1)  # heartbeats measured: full, quick
PING = frames.ping(0, Cursor("0123abcd", 1_790_000_000_000, 0))


def run(lab: Lab) -> None:
    topics = lab.world.conversations
    streams = len(topics) * WATCHERS
    log_progress(f"{streams} idle streams of {len(topics)} topics")
    seconds = frames.HEARTBEAT * lab.seconds(*PERIODS)
    # Every second another share, as the heartbeat does.
    pings = lab.floor(streams, 1, len(PING), streams // frames.HEARTBEAT, frames.HEARTBEAT)
    with lab.server() as server, Load() as load:
        paths = [f"/streams/conversations/{topic}" for topic in topics]
        load.open("all", server.port, server.world.targets(paths), streams, timeout=300)
        time.sleep(SETTLE)
        since, cpu, redis = time.monotonic(), server.cpu(), server.redis_cpu()
        time.sleep(seconds)
        lasted = time.monotonic() - since
        cpu, redis = server.cpu() - cpu, server.redis_cpu() - redis
    floor = pings.cpu_us / 1e3 * streams / frames.HEARTBEAT
    what = f"{streams} streams of {len(topics)} topics"
    note = f"loop: the same pings of {len(PING)} bytes, every {frames.HEARTBEAT} s"
    lab.add(SCENARIO, f"{what}: server CPU per second", cpu / lasted * 1e3, "ms", floor, note)
    lab.add(SCENARIO, f"{what}: Redis CPU per second", redis / lasted * 1e3, "ms")
