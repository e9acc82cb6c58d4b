"""The published runs, whose raw results are in bench/published/, and their mean values."""

from pathlib import Path

from .home import HOME
from .report import Row
from .report import Run

FOLDER = HOME / "bench" / "published"
RUNS = 2


def raw(number: int) -> Path:
    """The file of the run of this number, from 1."""
    FOLDER.mkdir(exist_ok=True)
    return FOLDER / f"run-{number}.json"


def complete() -> bool:
    return all(raw(number + 1).exists() for number in range(RUNS))


def load() -> list[Run]:
    """Raises FileNotFoundError if there are none."""
    return [Run.load(raw(number + 1)) for number in range(RUNS)]


class Missing(Exception):
    """No published run has the measurement."""


def rows(runs: list[Run], scenario: str, what: str, server: str = "") -> list[Row]:
    """The row of each run that has it. `what` is its end: the sizes are before it."""
    found = (run.find(scenario, what, server) for run in runs)
    return [row for row in found if row is not None]


def value(runs: list[Run], scenario: str, what: str) -> float:
    """The mean of the runs. Raises Missing."""
    found = rows(runs, scenario, what)
    if not found:
        raise Missing(f"{scenario}: {what}")
    return sum(row.value for row in found) / len(found)
