"""The table of docs/proxies.md has a row for each proxy and a column for each check."""

from .proxies import KINDS
from .table import CHECKS
from .table import DOCUMENT
from .table import Table
from .table import around
from .table import table_of


def filled() -> Table:
    table = Table()
    for name in KINDS:
        for check in CHECKS:
            table.found(name, check, f"{name} {check}")
    return table


def test_the_table_of_the_document_has_every_proxy_and_every_check():
    head, *rows = table_of(DOCUMENT.read_text())
    assert head == ["proxy", *CHECKS]
    assert [row[0] for row in rows] == list(KINDS)
    assert all(len(row) == len(head) and all(row) for row in rows)


def test_the_table_replaces_the_one_of_a_document_and_nothing_else(tmp_path):
    document = tmp_path / "document"
    before, after = around(DOCUMENT.read_text())
    document.write_text(f"{before}| the row of another run |\n{after}")
    filled().write(document)
    assert around(document.read_text()) == (before, after)
    row = table_of(document.read_text())[1]
    assert row == [name := next(iter(KINDS)), *(f"{name} {check}" for check in CHECKS)]
    assert "another run" not in document.read_text()
