"""A fresh server is set up by the link that it prints, in a browser with JavaScript and without."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from .conftest import PATIENCE_MS
from .restartable import Restartable
from .test_inbox_safe import axe as axe
from .test_inbox_safe import complaints

LINK = re.compile(r"Set rtapp up: (\S+)")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Restartable]:
    """A server of an empty database."""
    with Restartable(tmp_path, RTAPP_DEMO="off") as server:
        yield server


def link_of(server: Restartable) -> str:
    found = LINK.search(server.log.read_text())
    assert found is not None
    return found[1]


def fill(page: Page, password: str) -> None:
    page.get_by_label("Your company or team").fill("Lamps & Co")
    page.get_by_label("Your name").fill("Zoe")
    page.get_by_label("Email").fill("zoe@lamps.example")
    page.get_by_label(re.compile("^Password")).fill(password)
    page.get_by_role("button", name="Set up and sign in").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["with scripts", "without"])
def test_the_link_leads_to_an_inbox_in_one_form_on_a_phone_too(
    chromium: Browser, fresh: Restartable, axe: str, scripts: bool
) -> None:
    context = chromium.new_context(
        base_url=fresh.url,
        java_script_enabled=scripts,
        viewport={"width": 390, "height": 844},
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    for path in ("/", "/accounts/1/conversations"):
        page.goto(path)
        expect(page).to_have_url(f"{fresh.url}/setup")
        expect(page.locator("form")).to_have_count(0)
        expect(page.locator("body")).to_contain_text("flask --app app setup link")
    page.goto(link_of(fresh))
    expect(page).to_have_url(f"{fresh.url}/setup")
    if scripts:
        assert complaints(page, axe) == []
        overflow = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert page.evaluate(overflow) <= 0
        # As a browser that does not check forms sends it.
        page.evaluate("document.querySelector('main form').noValidate = true")
        fill(page, "short")
        expect(page.get_by_role("alert")).to_contain_text("8 to 1000 characters")
        expect(page.get_by_label("Your name")).to_have_value("Zoe")
        assert complaints(page, axe) == []
    fill(page, "correct horse")
    expect(page).to_have_url(re.compile(r"/accounts/\d+/conversations$"))
    expect(page.locator("body")).to_contain_text("Lamps & Co")
    page.goto(link_of(fresh))
    expect(page).to_have_url(re.compile(r"/accounts/\d+/conversations$"))
    context.close()
