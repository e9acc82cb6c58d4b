"""`python -m bench [--quick] [scenario …]`: run scenarios, print one table, save it as JSON."""

import argparse
import tempfile
import time
from pathlib import Path
from types import ModuleType

from . import connect_storm
from . import fan_out
from . import floor
from . import idle_memory
from . import idle_visitors
from . import lists
from . import outbox
from . import post_to_frame
from . import presence
from . import report
from . import resume_storm
from . import rival
from . import small_topics
from . import stalled_tenth
from . import typing
from .lab import Lab
from .lab import log_progress
from .measures import busy_cores
from .measures import raise_descriptor_limit
from .server import build_world

SCENARIOS: dict[str, ModuleType] = {
    "fan-out": fan_out,
    "idle-memory": idle_memory,
    "idle-visitors": idle_visitors,
    "connect-storm": connect_storm,
    "resume-storm": resume_storm,
    "small-topics": small_topics,
    "stalled-tenth": stalled_tenth,
    "post-to-frame": post_to_frame,
    "outbox": outbox,
    "presence": presence,
    "typing": typing,
    "lists": lists,
    "flask-sse": rival,
}
CONVERSATIONS = 5_000
CONVERSATIONS_QUICK = 500
USERS = 200
QUIET = 0.2  # cores; the machine is quiet while other processes use fewer
POLL_INTERVAL = 2.0  # s over which other processes' CPU is measured before each scenario


def main() -> None:
    asked = arguments()
    path = report.fresh_path()
    others: dict[str, float] = {}
    limit = raise_descriptor_limit()
    log_progress(f"{limit} descriptors per process")
    with tempfile.TemporaryDirectory(prefix="rtapp-bench-") as name:
        folder = Path(name)
        conversations = CONVERSATIONS_QUICK if asked.quick else CONVERSATIONS
        log_progress(f"making {conversations} conversations and {USERS} users")
        lab = Lab(folder, build_world(folder / "world", conversations, USERS), asked.quick)
        for scenario in asked.scenarios or SCENARIOS:
            others[scenario] = busy_cores_once_quiet(asked.wait)
            SCENARIOS[scenario].run(lab)
            report.save(path, lab.rows, floor.name(), asked.quick, others)
    print(report.table(lab.rows, floor.name(), others))
    log_progress(f"saved as {path}")


def busy_cores_once_quiet(limit: float) -> float:
    """Wait until the machine is quiet, at most `limit` seconds. Returns the cores still busy."""
    deadline = time.monotonic() + limit
    while (busy := busy_cores(POLL_INTERVAL)) > QUIET and time.monotonic() < deadline:
        pass
    return busy


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./bin/bench", description="Benchmarks of rtapp.")
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=", ".join(SCENARIOS))
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS",
        help="before each scenario, wait so long at most until nothing else runs",
    )  # fmt: skip
    asked = parser.parse_args()
    for scenario in asked.scenarios:
        if scenario not in SCENARIOS:
            parser.error(f"There is no scenario {scenario!r}; there are {', '.join(SCENARIOS)}.")
    return asked


if __name__ == "__main__":
    main()
