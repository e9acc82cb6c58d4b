"""The pages of a user's own sessions and tokens, in a browser."""

import re
import urllib.error
import urllib.request

from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import PATIENCE
from .page import BLANK
from .page import live
from .test_inbox_safe import axe
from .test_inbox_safe import complaints
from .test_inbox_safe import looks
from .test_inbox_safe import small_targets

__all__ = ["axe"]

NARROW = {"viewport": {"width": 390, "height": 844}}
PAGES = ("/settings/sessions", "/settings/tokens")


def make_token(page: Page, name: str) -> str:
    page.goto("/settings/tokens")
    page.get_by_label("What it is for").fill(name)
    page.get_by_label("What it may do").select_option("read")
    page.get_by_label("It ends").select_option("In a week")
    page.get_by_role("button", name="Make the token").click()
    text = page.get_by_label("The token").input_value()
    assert text.startswith("rtapp_")
    return text


def status(server: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    request = urllib.request.Request(f"{server}/me", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_token_is_made_and_revoked_without_javascript_on_a_narrow_screen(window, server):
    ada = window("ada", BLANK, java_script_enabled=False, **NARROW)
    text = make_token(ada, "Nightly import")
    assert status(server, text) == 200
    ada.get_by_role("navigation", name="Settings").get_by_role("link", name="Tokens").click()
    expect(ada.get_by_label("The token")).to_have_count(0)
    row = ada.locator("li", has_text="Nightly import")
    expect(row).to_contain_text("read")
    row.get_by_text("Revoke it…").click()
    row.get_by_role("button", name="Revoke Nightly import").click()
    expect(row).to_have_count(0)
    assert status(server, text) == 401


def test_a_session_that_is_ended_signs_its_open_page_out(window):
    there = live(window("grace", BLANK), "/accounts/1/conversations")
    here = window("grace", "/settings/sessions", java_script_enabled=False, **NARROW)
    expect(here.get_by_text("This browser")).to_have_count(1)
    expect(here.locator("li").first).to_contain_text(re.compile(r"Chrome on \w+"))
    here.get_by_role("button", name=re.compile("^End it")).first.click()
    expect(there.locator("#live")).to_contain_text("Signed out")
    assert here.request.get("/me").ok


def test_all_other_sessions_end_at_once(window):
    others = [live(window("grace", BLANK), "/accounts/1/conversations") for _ in range(2)]
    here = window("grace", "/settings/sessions")
    here.get_by_role("button", name="End all others").click()
    for other in others:
        expect(other.locator("#live")).to_contain_text("Signed out")
    expect(here.get_by_role("button", name=re.compile("^End"))).to_have_count(0)
    assert here.request.get("/me").ok


def test_sessions_and_tokens_change_in_another_open_page_and_a_new_tokens_text_stays(window):
    sessions = window("grace", "/settings/sessions")
    rows = sessions.locator("main li")
    expect(rows.first).to_be_visible()
    before = rows.count()
    tokens = window("grace", "/settings/tokens")
    expect(rows).to_have_count(before + 1)
    maker = window("grace", BLANK)
    expect(rows).to_have_count(before + 2)
    text = make_token(maker, "Made elsewhere")
    row = tokens.locator("li", has_text="Made elsewhere")
    expect(row).to_be_visible()
    row.get_by_text("Revoke it…").click()
    row.get_by_role("button", name="Revoke Made elsewhere").click()
    expect(row).to_have_count(0)
    expect(maker.get_by_label("The token")).to_have_value(text)
    maker.goto("/settings/sessions")
    maker.get_by_role("button", name="End all others").click()
    expect(sessions).to_have_url(re.compile("/login"))
    expect(tokens).to_have_url(re.compile("/login"))


@looks
def test_axe_finds_no_serious_violation_on_the_pages_of_sessions_and_tokens(window, axe, options):
    window("kevin", BLANK)  # another session, so that there is a form
    kevin = window("kevin", BLANK, reduced_motion="reduce", **options)
    make_token(kevin, "For axe")
    assert complaints(kevin, axe) == []
    for path in PAGES:
        kevin.goto(path)
        assert complaints(kevin, axe) == [], path


def test_the_pages_of_sessions_and_tokens_fit_a_narrow_screen(window):
    window("kevin", BLANK)
    kevin = window("kevin", BLANK, **NARROW)
    make_token(kevin, "A name that goes on and on without an end " * 2)
    for path in (None, *PAGES):
        if path is not None:
            kevin.goto(path)
        assert kevin.evaluate("document.documentElement.scrollWidth") <= 390
        assert small_targets(kevin) == []
