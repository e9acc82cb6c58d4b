"""The inspect page: without a script, on a phone, and with nothing that axe complains about."""

import re
import sqlite3

import pytest
from playwright.sync_api import expect

from ..npm import installed
from .page import BLANK
from .page import live
from .test_inbox_safe import AXE
from .test_inbox_safe import complaints

INSPECT = "/accounts/1/settings/inspect"
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def axe() -> str:
    return (installed(AXE) / "axe-core/axe.min.js").read_text()


@pytest.fixture
def dead_letter(restartable):
    """An event that was set aside, with a long error."""
    with sqlite3.connect(restartable.folder / "rtapp.sqlite3", timeout=30) as database:
        database.execute(
            "INSERT INTO outbox_events (key, account_id, event, data, topics, created_at,"
            " set_aside_at, error) VALUES ('of-a-test', 1, 'typing.unknown', '{}', '[]',"
            " '2026-01-01 00:00:00', '2026-01-01 00:00:01', ?)",
            ("ResponseError: " + "x" * 300,),
        )
    database.close()


def streams_of(page, name):
    return (
        page.get_by_role("region", name="open stream").get_by_role("listitem").filter(has_text=name)
    )


def test_an_administrator_ends_a_stream_without_javascript_and_the_browser_comes_back(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    ada = window("ada", "/accounts/1/labels", java_script_enabled=False, viewport=PHONE)
    ada.get_by_role("navigation", name="Settings").get_by_role("link", name="Inspect").click()
    kevins = streams_of(ada, "Kevin")
    expect(kevins.first).to_contain_text("Chrome on Linux, from 127.0.0.1")
    open_before = kevins.count()
    kevins.first.get_by_role("button", name=re.compile("End it.*Kevin")).click()
    expect(ada.get_by_role("heading", name="Inspect")).to_be_visible()
    expect(kevins).to_have_count(open_before - 1)
    expect(kevin.locator("#live")).not_to_contain_text("Live")
    expect(kevin.locator("#live")).to_contain_text("Live")
    ada.get_by_role("link", name="Load it again").click()
    expect(kevins).to_have_count(open_before)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_a_phone_and_axe_finds_nothing(window, axe, scheme, dead_letter):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    ada = window("ada", INSPECT, viewport=PHONE, color_scheme=scheme)
    expect(streams_of(ada, "Kevin").first).to_be_visible()
    expect(ada.get_by_text("typing.unknown").first).to_be_visible()
    assert ada.evaluate("document.documentElement.scrollWidth") == 390
    names = ada.locator("main button").evaluate_all(
        "all => all.map((each) => each.textContent.trim().replace(/\\s+/g, ' '))"
    )
    assert len(names) == len(set(names)) > 1
    assert complaints(ada, axe) == []
    kevin.close()
    ada.get_by_role("button", name="Try all dead letters again").click()
    expect(ada.get_by_role("button", name="Try all dead letters again")).to_have_count(0)
