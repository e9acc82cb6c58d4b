"""The report: a table as text, and a JSON file."""

import json
import math
import os
import platform
import time
from dataclasses import asdict
from dataclasses import dataclass
from pathlib import Path

from rtapp.config import CHECKOUT

RESULTS = CHECKOUT / "bench" / "results"


@dataclass(frozen=True)
class Row:
    """One measurement. `floor` is the plain loop's for the same work, in the same unit."""

    scenario: str
    what: str
    value: float
    unit: str
    floor: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.value / self.floor if self.floor else None


def table(rows: list[Row], floor_name: str, others: dict[str, float]) -> str:
    head = ("scenario", "measured", "value", "unit", floor_name, "ratio", "note")
    lines = [head, *((*cells(row),) for row in rows)]
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
    busy = ", ".join(f"{scenario} {cores:.2f}" for scenario, cores in others.items())
    text += ["", f"Of {os.cpu_count()} cores, busy with something else before each: {busy}."]
    return "\n".join(text)


def cells(row: Row) -> tuple[str, str, str, str, str, str, str]:
    floor = "–" if row.floor is None else number(row.floor)
    ratio = "–" if row.ratio is None else f"{row.ratio:.2f}"
    return row.scenario, row.what, number(row.value), row.unit, floor, ratio, row.note


def number(value: float) -> str:
    if math.isnan(value):
        return "?"
    if abs(value) >= 100 or value == int(value):
        return f"{value:,.0f}".replace(",", " ")
    return f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"


def fresh_path() -> Path:
    RESULTS.mkdir(parents=True, exist_ok=True)
    return RESULTS / f"{time.strftime('%Y%m%dT%H%M%S')}.json"


def save(
    path: Path, rows: list[Row], floor_name: str, quick: bool, others: dict[str, float]
) -> None:
    """Save the results. Called after each scenario, so that an interrupted run keeps its results.

    `others`: the number of cores busy with other processes before each scenario.
    """
    path.write_text(
        json.dumps(
            {
                "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "quick": quick,
                "python": platform.python_version(),
                "kernel": platform.release(),
                "cores": os.cpu_count(),
                "others": others,
                "floor": floor_name,
                "rows": [asdict(row) | {"ratio": row.ratio} for row in rows],
            },
            indent=2,
        )
    )
