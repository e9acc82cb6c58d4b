"""What the documents show of the published runs: `python -m bench.documents` writes it again.

Each table is between two comments of its document, and the chart is a file. Tests compare them with
the raw results.
"""

import re
from collections.abc import Callable
from pathlib import Path

from . import chart
from . import published
from . import scale
from .home import HOME
from .report import Row
from .report import Run
from .report import number
from .rivals import RIVALS
from .rivals import SCENARIO as IN_COMPARISON
from .subject import OTHER
from .targets import TARGETS
from .targets import Target

BENCHMARKS = HOME / "docs" / "benchmarks.md"
SCALE = HOME / "docs" / "scale.md"
CHART = HOME / "docs" / "benchmarks.svg"

Section = Callable[[list[Run]], str]


def write() -> None:
    runs = published.load()
    CHART.write_text(chart.draw(runs))
    for path, sections in DOCUMENTS.items():
        path.write_text(filled(path.read_text(), sections, runs))


def filled(text: str, sections: dict[str, Section], runs: list[Run]) -> str:
    """The text with each section anew. Raises LookupError if it has no place for one."""
    for name, section in sections.items():
        place = re.compile(rf"(<!-- {name}: [^\n]* -->\n).*?(<!-- end of {name} -->)", re.DOTALL)
        if len(place.findall(text)) != 1:
            raise LookupError(f"There is not one place for {name!r}.")
        made = section(runs)
        text = place.sub(lambda found: f"{found[1]}\n{made}\n\n{found[2]}", text)  # noqa: B023
    return text


def table(head: list[str], lines: list[list[str]], left: int = 1) -> str:
    """A table of Markdown whose first `left` columns are texts."""
    rules = ["---"] * left + ["--:"] * (len(head) - left)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (head, rules, *lines))


def machine(runs: list[Run]) -> str:
    first = runs[0]
    busy = max(cores for run in runs for cores in run.others.values())
    days = " and ".join(sorted({run.time[:10] for run in runs}))
    sizes = ", small sizes (`--quick`)" if any(run.quick for run in runs) else ""
    return (
        f"{len(runs)} whole runs{sizes}, {days}; {first.cores} cores, Linux {first.kernel},\n"
        f"Python {first.python}. Before a scenario, at most {busy:.2f} cores were busy with "
        "something else."
    )


def targets(runs: list[Run]) -> str:
    head = ["What", "Size", "Hold", "Reach for", "Before", "Now", ""]
    lines = []
    for target in TARGETS:
        found = published.rows(runs, target.scenario, target.row)
        measured = [of_target(target, row) for row in found]
        before = published.rows(runs, target.scenario, target.row, OTHER)
        lines.append(
            [
                target.what,
                size(found[0]) if found else "",
                f"≤ {target.hold:g} {target.unit}",
                f"{target.reach:g} {target.unit}" if target.reach else "–",
                spread([of_target(target, row) for row in before], target.unit),
                spread(measured, target.unit),
                verdict(target, measured),
            ]
        )
    return table(head, lines, left=2)


def of_target(target: Target, row: Row) -> float:
    ratio = row.ratio if target.unit == "×" else row.value
    assert ratio is not None, f"{row.what} has no floor"
    return ratio


def size(row: Row) -> str:
    """What precedes the colon of a row's name, if it has a number."""
    before, colon, _ = row.what.rpartition(": ")
    return before if colon and re.search(r"\d", before) else ""


def spread(values: list[float], unit: str) -> str:
    texts = dict.fromkeys(number(value) for value in sorted(values))
    return f"{' to '.join(list(texts)[:: max(1, len(texts) - 1)])} {unit}" if texts else "–"


def verdict(target: Target, measured: list[float]) -> str:
    if not measured:
        return "not measured"
    held = sum(value <= target.hold for value in measured)
    if held == len(measured):
        reached = target.reach is not None and max(measured) <= target.reach
        return "reached" if reached else "held"
    return f"held in {held} of {len(measured)}" if held else "not held"


def rivals(runs: list[Run]) -> str:
    sizes = sorted(
        {
            int(found[1])
            for row in runs[0].rows
            if row.scenario == IN_COMPARISON and (found := re.search(r", (\d+) sub", row.what))
        }
    )
    head = ["Server"]
    for count in sizes:
        head += [f"CPU per delivery, {count}", f"p99, {count}"]
    head += ["resident", "kernel", "delivered under drops", "whole again after"]
    lines = [rival_line(runs, rival.name, sizes) for rival in RIVALS]
    return table(head, lines)


def rival_line(runs: list[Run], name: str, sizes: list[int]) -> list[str]:
    cells = [name]
    for count in sizes:
        who = f"{name}, {count} subscribers"
        cpu = published.rows(runs, IN_COMPARISON, f"{who}: server CPU per delivery")
        late = published.rows(runs, IN_COMPARISON, f"{who}: publish to receive p99")
        cells += [
            spread([row.ratio for row in cpu if row.ratio is not None], "×"),
            spread([row.value for row in late], "ms"),
        ]
    who = f"{name}, {sizes[0]} subscribers"
    for what in ("resident each", "kernel memory each"):
        found = published.rows(runs, IN_COMPARISON, f"{who}: {what}")
        cells.append(spread([row.value for row in found], "KiB"))
    delivered = published.rows(runs, "drops", f"{name}: delivered")
    cells.append(spread([row.value for row in delivered], "%"))
    whole = published.rows(runs, "drops", f"{name}: until then, at most")
    cells.append(spread([row.value for row in whole], "s") if whole or not delivered else "never")
    return cells


def whole_runs(runs: list[Run]) -> str:
    head = ["scenario", "measured", "note", *(f"run {n + 1}" for n in range(len(runs))), "unit"]
    head += [f"floor, {runs[0].floor}", "ratio"]
    lines = []
    for row in runs[0].rows:
        if row.server:
            continue
        found = [run.same(row) for run in runs]
        lines.append(
            [
                row.scenario,
                row.what,
                row.note,
                *("–" if each is None else number(each.value) for each in found),
                row.unit,
                "–" if row.floor is None else number(row.floor),
                spread([each.ratio for each in found if each and each.ratio], "×"),
            ]
        )
    return table(head, lines, left=3)


DOCUMENTS: dict[Path, dict[str, Section]] = {
    BENCHMARKS: {
        "machine": machine,
        "targets": targets,
        "rivals": rivals,
        "whole runs": whole_runs,
    },
    SCALE: scale.SECTIONS,
}

if __name__ == "__main__":
    write()
