"""The table of docs/proxies.md: a row for each proxy, a column for each check."""

from collections import defaultdict
from pathlib import Path

from .proxies import KINDS

DOCUMENT = Path(__file__).resolve().parents[2] / "docs/proxies.md"
BEGIN, END = "<!-- table: made by tests/proxies -->\n", "<!-- end of the table -->\n"
CHECKS = (
    "open", "deliver", "idle", "resume", "hang-up", "drain", "while it restarts", "back", "revoke",
    "hundred, `RTAPP_PROXIES=1`", "hundred, `RTAPP_PROXIES=0`", "forged address",
)  # fmt: skip


class Table:
    def __init__(self) -> None:
        self._cells: dict[str, dict[str, str]] = defaultdict(dict)

    def found(self, proxy: str, check: str, text: str) -> None:
        assert check in CHECKS, check
        self._cells[proxy][check] = text

    def lines(self) -> list[str]:
        """Raises KeyError unless every check of every proxy has been made."""
        rows = [[name, *(self._cells[name][check] for check in CHECKS)] for name in KINDS]
        head = ["proxy", *CHECKS]
        return [row_of(head), row_of(["---"] * len(head)), *map(row_of, rows)]

    def write(self, document: Path) -> None:
        before, after = around(document.read_text())
        document.write_text("".join([before, *(f"{line}\n" for line in self.lines()), after]))


def row_of(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def around(text: str) -> tuple[str, str]:
    """The text before and after the table, with the marks."""
    before, rest = text.split(BEGIN)
    return before + BEGIN, END + rest.split(END)[1]


def table_of(text: str) -> list[list[str]]:
    """The cells of the table in a document, without the line below its head."""
    lines = text.split(BEGIN)[1].split(END)[0].splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [rows[0], *rows[2:]]
