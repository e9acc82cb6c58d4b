"""The page's table of events is the twin of the server's catalogue."""

import re
from pathlib import Path

import pytest

from rtapp.events import catalogue

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "static/js/connector/catalogue.js"
DECLARATIONS = ROOT / "static/js/connector/connector.d.ts"
ROW = re.compile(r'^  "([a-z_.]+)": "(on[A-Za-z]+)",$', re.MULTILINE)

# What the page knows before the server does. An event that arrives in the catalogue leaves here.
COMING: set[str] = set()


@pytest.fixture(scope="module")
def callbacks():
    rows = ROW.findall(TABLE.read_text())
    assert len(rows) > 10, "the table was not read"
    return dict(rows)


def known() -> set[str]:
    return {*catalogue.DURABLE, *catalogue.EPHEMERAL}


def test_every_event_has_a_callback(callbacks):
    assert known() - callbacks.keys() == set()


def test_every_callback_has_an_event_or_waits_for_one(callbacks):
    assert callbacks.keys() - known() - COMING == set()


def test_nothing_waits_for_what_is_there():
    assert known() & COMING == set(), "take these from COMING"


def test_a_callback_is_named_after_its_event(callbacks):
    for event, callback in callbacks.items():
        words = re.split(r"[._]", event)
        assert callback == "on" + "".join(word.capitalize() for word in words)


def test_every_callback_is_declared(callbacks):
    declared = set(re.findall(r"\b(on[A-Z]\w+)\?", DECLARATIONS.read_text()))
    assert set(callbacks.values()) - declared == set()
