"""An idle connection of a website's visitor beside one of an agent: memory and CPU of each.

Each has two streams and a conversation of its own: the visitor `contact` and `conversation`, as the
chat has, the agent `presence` and `conversation`. An agent's list is left out: it would receive the
arrivals of all other agents.
"""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

from .home import HOME
from .lab import Lab
from .lab import log_progress
from .load import Load
from .load import Target
from .server import Server
from .server import ServerError
from .server import World
from .server import environment

SCENARIO = "idle visitors"
WARM = 100  # streams opened before the first measurement
STREAMS, STREAMS_QUICK = 10_000, 2_000
OPENING = 900  # s, at most


class Idle(NamedTuple):
    """Of one stream: bytes of memory, and CPU seconds per second."""

    held: float
    cpu: float


def run(lab: Lab) -> None:
    count = STREAMS_QUICK if lab.quick else STREAMS
    folder = lab.folder / "visited"
    shutil.copytree(lab.world.folder, folder)
    visitors = populate(folder, count)
    world = World(folder, lab.world.tokens, lab.world.emails, [thread for *_, thread in visitors])
    paths = [f"/streams?stream=presence:1&stream=conversation:{thread}" for *_, thread in visitors]
    agents = world.targets(paths)
    of_agents = idle(lab, world, "agents", agents, count)
    of_visitors = idle(lab, world, "visitors", [
        (f"/streams?stream=contact:{contact}&stream=conversation:{thread}",
         [f"Authorization: Bearer {token}"])
        for token, contact, thread in visitors
    ], count)  # fmt: skip
    for what, unit, scale, value, beside in (
        ("resident", "KiB", 1 / 1024, of_visitors.held, of_agents.held),
        ("CPU", "µs/s", 1e6, of_visitors.cpu, of_agents.cpu),
    ):
        note = f"an agent's {beside * scale:.2f}, ratio {value / beside:.2f}"
        lab.add(SCENARIO, f"{count} streams: {what} per stream", value * scale, unit, None, note)


def populate(folder: Path, count: int) -> list[tuple[str, int, int]]:
    log_progress(f"making {count} visitors")
    finished = subprocess.run(
        [sys.executable, "-m", "bench.populate_visitors", str(count)],
        cwd=HOME, env=environment(folder), capture_output=True, text=True,
    )  # fmt: skip
    if finished.returncode:
        raise ServerError(f"The database could not be filled:\n{finished.stderr}")
    made = json.loads(finished.stdout.splitlines()[-1])
    return [(token, contact, thread) for token, contact, thread in made]


def idle(lab: Lab, world: World, who: str, targets: list[Target], count: int) -> Idle:
    log_progress(f"{count} idle streams of {who}")
    with Server(world, lab.folder / who) as server, Load() as load:
        load.open("warm", server.port, targets[:WARM], WARM)
        time.sleep(lab.seconds(10, 3))
        empty = server.resident()
        load.open("rest", server.port, targets[WARM:], count - WARM, timeout=OPENING)
        time.sleep(lab.seconds(20, 4))  # over a heartbeat, so that each stream was pinged
        held = (server.resident() - empty) / (count - WARM)
        since, cpu = time.monotonic(), server.cpu()
        time.sleep(lab.seconds(30, 15))  # whole heartbeats, with the renewals of the leases
        return Idle(held, (server.cpu() - cpu) / (time.monotonic() - since) / count)
