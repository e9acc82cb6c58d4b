"""The chart of docs/benchmarks.md: CPU beside the floor, before and now, and beside other servers.

An SVG of its own, in the colours that the reader's system prefers.
"""

import math
from html import escape
from typing import NamedTuple

from . import published
from .report import Run
from .report import number
from .rivals import RIVALS
from .rivals import SCENARIO as IN_COMPARISON
from .subject import OTHER
from .targets import TARGETS

WIDTH = 840
LABEL = 250  # px for the names on the left
VALUE = 120  # px for the values on the right
BAR = 12  # px, the height of one
ROW = 38
HEAD = 62
MOST = 1_000.0  # times the floor, at the right end
STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.axis, .value { fill: #59636e; font-size: 11px }
.grid { stroke: #d1d9e0 }
.now { fill: #1668b8 }
.other { fill: #a0a8b0 }
.hold { stroke: #b3382c; stroke-width: 2 }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc }
  .axis, .value { fill: #9198a1 }
  .grid { stroke: #3d444d }
  .now { fill: #58a6e8 }
  .other { fill: #6b747d }
  .hold { stroke: #ff7b6b }
}
"""


class Bar(NamedTuple):
    ratio: float
    kind: str  # its class
    text: str


class Line(NamedTuple):
    label: str
    bars: list[Bar]
    hold: float | None = None


def draw(runs: list[Run]) -> str:
    panels = [
        ("CPU and latency, times the floor; the lines are the bounds", targets(runs)),
        ("CPU per delivery, times a C loop; delivered while connections are cut", rivals(runs)),
    ]
    parts: list[str] = []
    top = 0
    for title, lines in panels:
        parts.append(panel(title, lines, top))
        top += HEAD + ROW * len(lines) + 20
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top}" role="img">\n'
        f"<title>CPU beside the floor and beside other servers; the tables have the figures"
        f"</title>\n<style>{STYLE}</style>\n{body}\n</svg>\n"
    )


def targets(runs: list[Run]) -> list[Line]:
    lines = []
    for target in TARGETS:
        if target.unit != "×":
            continue
        bars = []
        for server, kind, name in ((OTHER, "other", "before"), ("", "now", "now")):
            ratio = mean_ratio(runs, target.scenario, target.row, server)
            if ratio is not None:
                bars.append(Bar(ratio, kind, f"{name} {number(ratio)} ×"))
        lines.append(Line(target.what, bars, target.hold))
    return lines


def rivals(runs: list[Run]) -> list[Line]:
    lines = []
    for rival in RIVALS:
        what = f"{rival.name}, {runs_size(runs)} subscribers: server CPU per delivery"
        ratio = mean_ratio(runs, IN_COMPARISON, what)
        if ratio is None:
            continue
        delivered = published.rows(runs, "drops", f"{rival.name}: delivered")
        text = f"{number(ratio)} ×"
        if delivered:
            text += f", {sum(row.value for row in delivered) / len(delivered):.0f} %"
        kind = "now" if rival is RIVALS[0] else "other"
        lines.append(Line(rival.name, [Bar(ratio, kind, text)]))
    return lines


def runs_size(runs: list[Run]) -> int:
    """The subscribers of the first comparison, in which every server takes part."""
    row = runs[0].find(IN_COMPARISON, "server CPU per delivery")
    return int(row.what.split(", ")[1].split()[0]) if row else 0


def mean_ratio(runs: list[Run], scenario: str, what: str, server: str = "") -> float | None:
    found = published.rows(runs, scenario, what, server)
    ratios = [row.ratio for row in found if row.ratio is not None]
    return sum(ratios) / len(ratios) if ratios else None


def panel(title: str, lines: list[Line], top: int) -> str:
    bottom = top + HEAD + ROW * len(lines)
    parts = [f'<text class="title" x="0" y="{top + 20}">{escape(title)}</text>']
    for power in range(round(math.log10(MOST)) + 1):
        x = across(10.0**power)
        parts.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top + 52}" y2="{bottom}"/>')
        tick = f"{10**power:,} ×".replace(",", " ")
        parts.append(
            f'<text class="axis" x="{x}" y="{top + 44}" text-anchor="middle">{tick}</text>'
        )
    for index, line in enumerate(lines):
        parts.append(row(line, top + HEAD + ROW * index))
    return "\n".join(parts)


def row(line: Line, top: int) -> str:
    y = top + (ROW - BAR * len(line.bars)) // 2
    middle = top + ROW / 2 + 4
    parts = [f'<text x="{LABEL - 10}" y="{middle}" text-anchor="end">{escape(line.label)}</text>']
    for bar in line.bars:
        end = across(bar.ratio)
        parts.append(
            f'<rect class="{bar.kind}" x="{LABEL}" y="{y}" width="{round(end - LABEL, 1)}" '
            f'height="{BAR - 2}"/>'
        )
        beside = max(end, across(line.hold) if line.hold else 0) + 6
        parts.append(
            f'<text class="value" x="{beside}" y="{y + BAR - 3}">{escape(bar.text)}</text>'
        )
        y += BAR
    if line.hold is not None:
        x = across(line.hold)
        parts.append(f'<line class="hold" x1="{x}" x2="{x}" y1="{top + 4}" y2="{top + ROW - 4}"/>')
    return "\n".join(parts)


def across(ratio: float) -> float:
    """The place of a ratio, in px from the left."""
    share = math.log10(max(1.0, min(MOST, ratio))) / math.log10(MOST)
    return round(LABEL + share * (WIDTH - LABEL - VALUE), 1)
