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


ORDER: tuple[Verdict, ...] = ("ok", "warning", "problem")


def worst(findings: list[Finding]) -> Verdict:
    return max((finding.verdict for finding in findings), key=ORDER.index, default="ok")


def worst_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda finding: ORDER.index(finding.verdict), reverse=True)
