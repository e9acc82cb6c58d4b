"""What a check found."""

from typing import Literal
from typing import NamedTuple

Verdict = Literal["ok", "warning", "problem"]


class Finding(NamedTuple):
    """`check`: what was looked at, in a word or two. `remedy`: what to do, "" if nothing is."""

    check: str
    verdict: Verdict
    sentence: str
    remedy: str = ""


def worst(findings: list[Finding]) -> Verdict:
    order: tuple[Verdict, ...] = ("ok", "warning", "problem")
    return max((finding.verdict for finding in findings), key=order.index, default="ok")
