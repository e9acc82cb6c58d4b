"""The report: a table as text, and a JSON file."""

import json
import math
import os
import platform
import time
from dataclasses import asdict
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

from .home import HOME

RESULTS = HOME / "bench" / "results"


@dataclass(frozen=True)
class Row:
    """One measurement. `floor` is the plain loop's for the same work, in the same unit."""

    scenario: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    note: str = ""
    server: str = ""  # another checkout that was measured beside this one

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None


@dataclass
class Run:
    """A whole run. `others`: the cores busy with other processes before each scenario."""

    time: str
    quick: bool
    python: str
    kernel: str
    cores: int
    floor: str
    others: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)

    @classmethod
    def begin(cls, floor_name: str, quick: bool) -> "Run":
        now = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        kernel, python = platform.release(), platform.python_version()
        return cls(now, quick, python, kernel, os.cpu_count() or 1, floor_name)

    @classmethod
    def load(cls, path: Path) -> "Run":
        fields = json.loads(path.read_text())
        rows = [
            Row(**{name: value for name, value in row.items() if name != "ratio"})
            for row in fields.pop("rows")
        ]
        return cls(**fields, rows=rows)

    def add(self, other: "Run") -> None:
        self.rows += other.rows
        self.others |= other.others

    def replace(self, rows: list[Row]) -> None:
        """Add rows, in place of those that measured the same."""
        fresh = {(row.scenario, row.what, row.server) for row in rows}
        kept = [row for row in self.rows if (row.scenario, row.what, row.server) not in fresh]
        self.rows = kept + rows

    def same(self, row: Row) -> Row | None:
        """The row of this run that measured the same."""
        key = (row.scenario, row.what, row.server)
        return next((r for r in self.rows if (r.scenario, r.what, r.server) == key), None)

    def find(self, scenario: str, what: str, server: str = "") -> Row | None:
        """The row of the scenario whose `what` ends with this text, the sizes being before it."""
        for row in self.rows:
            if (row.scenario, row.server) == (scenario, server) and row.what.endswith(what):
                return row
        return None


def table(run: Run) -> str:
    head = ("scenario", "measured", "value", "unit", run.floor, "ratio", "note")
    lines = [head, *((*cells(row),) for row in run.rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head) - 1)]
    right = {2, 4, 5}
    text = []
    for line in lines:
        padded = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=False))
        ]
        text.append(f"| {' | '.join(padded)} | {line[-1]} |")
    rules = ["-" * (w + 1) + (":" if c in right else "-") for c, w in enumerate(widths)]
    text.insert(1, f"|{'|'.join(rules)}|---|")
    busy = ", ".join(f"{scenario} {cores:.2f}" for scenario, cores in run.others.items())
    text += ["", f"Of {run.cores} cores, busy with something else before each: {busy}."]
    return "\n".join(text)


def cells(row: Row) -> tuple[str, str, str, str, str, str, str]:
    floor = "–" if row.floor is None else number(row.floor)
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    scenario = f"{row.scenario} ({row.server})" if row.server else row.scenario
    return scenario, row.what, number(row.value), row.unit, floor, ratio, row.note


def number(value: float) -> str:
    if math.isnan(value):
        return "?"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def fresh_path() -> Path:
    RESULTS.mkdir(parents=True, exist_ok=True)
    path = RESULTS / f"{time.strftime('%Y%m%dT%H%M%S')}.json"
    return path if not path.exists() else path.with_stem(f"{path.stem}-again")


def save(path: Path, run: Run) -> None:
    rows = [asdict(row) | {"ratio": row.ratio} for row in run.rows]
    path.write_text(json.dumps(asdict(run) | {"rows": rows}, indent=1) + "\n")
