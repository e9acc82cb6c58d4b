"""The JavaScript table of events matches the server's catalogue."""

import re
from pathlib import Path

import pytest

from rtapp.events import catalogue

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "static/js/connector/catalogue.js"
DECLARATIONS = ROOT / "static/js/connector/connector.d.ts"
ROW = re.compile(r'^  "([a-z_.]+)",$', re.MULTILINE)

# Callbacks for events that the server does not publish yet. Remove an event once it does.
PLANNED: set[str] = set()


@pytest.fixture(scope="module")
def callbacks():
    rows = ROW.findall(TABLE.read_text())
    assert len(rows) > 10, "the table was not read"
    return {event: named_after(event) for event in rows}


def named_after(event: str) -> str:
    """The callback's name, which the module makes in the same way: see tests/js."""
    return "on" + "".join(word.capitalize() for word in re.split(r"[._]", event))


def server_events() -> set[str]:
    return {*catalogue.DURABLE, *catalogue.EPHEMERAL}


def test_every_event_of_the_catalogue_has_a_javascript_callback(callbacks):
    assert server_events() - callbacks.keys() == set()


def test_every_javascript_callback_has_an_event_or_a_planned_one(callbacks):
    assert callbacks.keys() - server_events() - PLANNED == set()


def test_no_planned_event_is_in_the_catalogue_already():
    assert server_events() & PLANNED == set(), "remove these from PLANNED"


def test_every_javascript_callback_is_declared_in_the_typescript_declarations(callbacks):
    declared = set(re.findall(r"\b(on[A-Z]\w+)\?", DECLARATIONS.read_text()))
    assert set(callbacks.values()) - declared == set()
