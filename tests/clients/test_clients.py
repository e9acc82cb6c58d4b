"""Each client, by its example in docs/clients.md, does what the table there promises."""

import os

import pytest

from ..harness.waiting import eventually
from . import table
from .gateway import Door
from .rows import AT_ONCE
from .rows import CHECKS
from .rows import FAULTY
from .rows import FOR_EVER
from .rows import FORGETFUL
from .rows import IMPATIENT
from .rows import INSISTENT
from .rows import MISSES
from .rows import OPENS
from .rows import RESUMES
from .rows import ROWS
from .runners import Program

REQUESTS = next(row for row in ROWS if row.name == "requests")
BLOCKS = 5  # messages, which are more than one block of 512 bytes


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_client_does_what_the_table_promises(results, row, check):
    if (row.name, check) not in results:
        pytest.skip("SKIPPED: no Firefox here that can be driven")
    assert results[row.name, check] == row.results[check]


def test_the_table_of_the_document_has_these_rows_and_results(results):
    if os.environ.get("RTAPP_WRITE_DOCS"):
        table.write(results)
    promised = {(row.name, check): row.results[check] for row in ROWS for check in CHECKS}
    assert table.in_document() == [table.line(row.name, promised) for row in ROWS]


def test_every_example_that_is_not_a_least_one_resumes_after_each_end(results):
    best = [row for row in ROWS if not row.name.endswith(", alone")]
    assert len(best) >= 15
    for row in best:
        assert row.opening == OPENS
        assert {row.drain, row.crash, row.bad_gateway} == {RESUMES}
        assert row.signed_out != FOR_EVER


@pytest.mark.parametrize("check", ["drain", "crash", "502 later"])
def test_a_client_that_forgets_its_cursor_is_found_to_miss_messages(results, check):
    assert results[FORGETFUL.name, "at once"] == AT_ONCE
    assert results[FORGETFUL.name, check] == MISSES


def test_a_client_that_does_not_wait_for_retry_is_found(results):
    assert results[IMPATIENT.name, "crash"] == RESUMES
    assert results[IMPATIENT.name, "drain"].startswith("waits ")


def test_a_client_that_asks_after_its_token_has_ended_is_found(results):
    assert results[INSISTENT.name, "signed out"] == FOR_EVER


def test_the_faulty_examples_differ_from_the_example_by_one_statement():
    for row in FAULTY:
        changed = set(row.text.splitlines()) ^ set(REQUESTS.text.splitlines())
        assert 1 <= len(changed) <= 2


def test_a_body_that_is_not_chunked_reaches_requests_with_a_later_message(scenario, tmp_path):
    token = scenario.server.token("ada@example.com")
    doors = [scenario.gateway.open(Door({}, {}, version)) for version in (b"1.1", b"1.0")]
    chunked, delimited = (
        Program(REQUESTS, door, tmp_path / door.version.decode(), token, None) for door in doors
    )
    try:
        for door in doors:
            eventually(lambda door=door: door.is_open)
        first = scenario.post()
        for door in doors:
            eventually(lambda door=door: first.encode() in door.streams[0].received)
        eventually(lambda: first in chunked.shown())
        assert first not in delimited.shown()
        for _ in range(BLOCKS):
            scenario.post()
        eventually(lambda: first in delimited.shown())
    finally:
        chunked.stop()
        delimited.stop()
