"""The table of docs/clients.md, made of the results."""

from .rows import CHECKS
from .rows import DOCUMENT
from .rows import ROWS
from .scenario import Results

BEGIN = "| Client | 502 first |"


def line(name: str, results: Results) -> str:
    return f"| {' | '.join([name, *(results[name, check] for check in CHECKS)])} |"


def in_document() -> list[str]:
    """Return the lines of the table that the document has, without its two of the head."""
    text = DOCUMENT.read_text()
    return text[text.index(BEGIN) :].split("\n\n")[0].splitlines()[2:]


def write(results: Results) -> None:
    """Replace the lines of the rows that have run, and keep the others."""
    before = {old.split(" | ")[0].removeprefix("| "): old for old in in_document()}
    ran = {name for name, _ in results}
    lines = [line(r.name, results) if r.name in ran else before.get(r.name, "") for r in ROWS]
    text = DOCUMENT.read_text()
    head, _, rest = text.partition(BEGIN)
    first, second, *_ = (BEGIN + rest).splitlines()
    _, _, after = rest.partition("\n\n")
    table = "\n".join([first, second, *filter(None, lines)])
    DOCUMENT.write_text(f"{head}{table}\n\n{after}")
