"""docs/protocol.md documents the catalogue."""

import re
from pathlib import Path

import pytest

from rtapp.events import catalogue

PROTOCOL = (Path(__file__).parents[2] / "docs" / "protocol.md").read_text()
ROW = re.compile(r"^\| (`[^|]+`) \| durable \| `([^|]+)`[^|`]*\|$", re.MULTILINE)


def documented() -> dict[str, set[str]]:
    """Return every durable event of the table, with the names of its fields."""
    found = {}
    for events, fields in ROW.findall(PROTOCOL):
        plain = re.sub(r"\{[^}]*\}|\([^)]*\)|\[[^]]*\]| or null", "", fields)
        for event in re.findall(r"`([^`]+)`", events):
            found[event] = {field.strip() for field in plain.split(",")}
    return found


@pytest.mark.parametrize("event", sorted(set(catalogue.DURABLE) - {"stream.reset"}))
def test_the_protocol_documents_each_durable_event_with_exactly_its_fields(event):
    assert documented()[event] == set(catalogue.DURABLE[event])


def test_the_protocol_documents_no_event_outside_the_catalogue():
    assert set(documented()) == set(catalogue.DURABLE) - {"stream.reset"}
