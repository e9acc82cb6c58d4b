"""`python -m bench [--quick] [scenario …]`: run scenarios, print one table, save it as JSON."""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from . import documents
from . import floor
from . import published
from . import report
from .home import HOME
from .lab import log_progress
from .measures import busy_cores
from .measures import raise_descriptor_limit
from .report import Run
from .scenarios import ALONE
from .scenarios import LARGE
from .scenarios import ONCE
from .scenarios import PUBLISHED
from .scenarios import SCENARIOS
from .scenarios import TARGETS
from .subject import OTHER
from .subject import ScenarioError
from .subject import Subject

CONVERSATIONS = 5_000
CONVERSATIONS_QUICK = 500
USERS = 200
QUIET = 0.2  # cores; the machine is quiet while other processes use fewer
POLL_INTERVAL = 2.0  # s over which other processes' CPU is measured before each scenario
LISTS = {"targets": TARGETS, "published": PUBLISHED}  # of scenarios, by their names

UNNAMED = [name for name in SCENARIOS if name not in LARGE]  # what runs if none is named


def main() -> None:
    asked = arguments()
    log_progress(f"{raise_descriptor_limit()} descriptors per process")
    failed: list[str] = []
    with tempfile.TemporaryDirectory(prefix="rtapp-bench-") as name:
        subjects = [Subject("", HOME, Path(name))]
        if asked.server is not None:
            subjects.append(Subject(OTHER, asked.server.resolve(), Path(name)))
        conversations = CONVERSATIONS_QUICK if asked.quick else CONVERSATIONS
        log_progress(f"making {conversations} conversations and {USERS} users")
        for subject in subjects:
            subject.prepare(conversations, USERS)
        for number in asked.runs:
            path = report.fresh_path() if asked.publish is None else published.raw(number)
            run = Run.begin(floor.name(), asked.quick)
            if asked.again:
                run.add(Run.load(path))
            scenarios = [each for each in asked.scenarios if number == 1 or each not in ONCE]
            failed += whole_run(asked, scenarios, subjects[:: -1 if number % 2 else 1], path, run)
            print(report.table(run))
            log_progress(f"saved as {path}")
    if asked.publish is not None and published.complete():
        documents.write()
    if failed:
        sys.exit(f"These scenarios ended with an error: {', '.join(failed)}.")


def whole_run(
    asked: argparse.Namespace,
    scenarios: Sequence[str],
    subjects: Sequence[Subject],
    path: Path,
    run: Run,
) -> list[str]:
    """Run each scenario with each subject in turn. Returns those that ended with an error.

    The results are saved after each, so that an interrupted run keeps them.
    """
    failed = []
    for scenario in scenarios:
        run.others[scenario] = busy_cores_once_quiet(asked.wait)
        for subject in subjects:
            if subject.name and scenario in ALONE:
                continue
            log_progress(" ".join(filter(None, (scenario, subject.name))))
            try:
                run.replace(subject.run(scenario, asked.quick))
            except ScenarioError as error:
                run.replace(error.rows)
                failed.append(" ".join(filter(None, (scenario, subject.name))))
        report.save(path, run)
    return failed


def busy_cores_once_quiet(limit: float) -> float:
    """Wait until the machine is quiet, at most `limit` seconds. Returns the cores still busy."""
    deadline = time.monotonic() + limit
    while (busy := busy_cores(POLL_INTERVAL)) > QUIET and time.monotonic() < deadline:
        pass
    return busy


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./bin/bench", description="Benchmarks of rtapp.")
    names = ", ".join((*LISTS, *SCENARIOS))
    parser.add_argument("scenarios", nargs="*", metavar="scenario", help=names)
    parser.add_argument("--quick", action="store_true", help="small sizes, under two minutes")
    parser.add_argument(
        "--wait", type=float, default=0, metavar="SECONDS",
        help="before each scenario, wait so long at most until nothing else runs",
    )  # fmt: skip
    parser.add_argument(
        "--server", type=Path, metavar="PATH",
        help="another checkout, measured in the same run, each scenario in turn",
    )  # fmt: skip
    parser.add_argument(
        "--publish", nargs="?", type=int, const=0, choices=range(published.RUNS + 1), metavar="RUN",
        help=f"make all {published.RUNS} runs that docs/benchmarks.md shows, or this one, or in it "
        "the named scenarios again; saved in bench/published/. Then write its tables, the chart "
        "and the figures of docs/scale.md",
    )  # fmt: skip
    asked = parser.parse_args()
    asked.again = asked.publish is not None and bool(asked.scenarios)
    if asked.again and not (asked.publish and published.raw(asked.publish).exists()):
        parser.error("Scenarios are measured again in a published run, by its number.")
    if asked.server is not None and not (asked.server / "app.py").is_file():
        parser.error(f"{asked.server} is no checkout of rtapp.")
    asked.scenarios = [
        scenario
        for name in asked.scenarios or (UNNAMED if asked.publish is None else ["published"])
        for scenario in LISTS.get(name, (name,))
    ]
    asked.runs = [1] if asked.publish is None else [asked.publish]
    if asked.publish == 0:
        asked.runs = [number + 1 for number in range(published.RUNS)]
    for scenario in asked.scenarios:
        if scenario not in SCENARIOS:
            parser.error(f"There is no scenario {scenario!r}; there are {names}.")
    return asked


if __name__ == "__main__":
    main()
