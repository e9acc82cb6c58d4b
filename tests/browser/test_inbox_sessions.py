"""Tabs of a browser in which the session ends, or is replaced, in another tab."""

import re

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import BLANK
from .page import live

COMPOSER = "#composer textarea"


def sign_in_elsewhere(page: Page, name: str) -> None:
    """Sign in on the login page of another tab, as a user does."""
    other = page.context.new_page()
    other.goto("/login")
    other.fill("input[name=email]:visible", f"{name}@example.com")
    other.fill("input[name=password]:visible", "password")
    other.get_by_role("button", name="Sign in").click()
    other.wait_for_url("**/conversations*")
    other.close()


def sign_out_elsewhere(page: Page) -> None:
    other = page.context.new_page()
    other.goto("/accounts/1/conversations")
    other.locator("#me-menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/login")
    other.close()


def writes(page: Page, text: str) -> None:
    page.fill(COMPOSER, text)
    page.keyboard.press("Enter")


def test_a_tab_goes_on_after_its_user_has_signed_in_again_in_another_tab(window, ada):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    kevin.evaluate("window.notReloaded = true")
    token = kevin.locator("meta[name=csrf-token]").get_attribute("content")
    sign_in_elsewhere(kevin, "kevin")
    writes(kevin, "Written with an old page")
    expect(kevin.locator("#messages")).to_contain_text("Written with an old page")
    assert kevin.locator("meta[name=csrf-token]").get_attribute("content") != token
    expect(kevin.locator("#live")).to_contain_text("Live")
    said = ada.say(1, "And it is still live")
    expect(kevin.locator(f"#message-{said}")).to_be_visible()
    kevin.locator("#status-menu summary").click()
    kevin.get_by_role("button", name="Pending").click()
    expect(kevin.locator("#thread-status")).to_have_attribute("data-status", "pending")
    assert kevin.evaluate("window.notReloaded")
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="Sign out").click()  # a form, with the new token
    kevin.wait_for_url("**/login")


def test_every_tab_goes_on_after_a_sign_out_and_a_sign_in_of_the_same_user(window, ada):
    kevin = live(window("kevin", BLANK), "/conversations/2")
    other = live(kevin.context.new_page(), "/conversations/3")
    for page in (kevin, other):
        page.fill(COMPOSER, "Half a sentence")
        page.evaluate("window.notReloaded = true")
    sign_out_elsewhere(kevin)
    for page in (kevin, other):
        expect(page.locator("#live")).to_contain_text("Signed out")
    said = ada.say(2, "Said while nobody was signed in")
    sign_in_elsewhere(kevin, "kevin")
    for page in (kevin, other):
        page.evaluate("dispatchEvent(new Event('focus'))")  # the user comes back to it
        expect(page.locator("#live")).to_contain_text("Live")
        expect(page.locator(COMPOSER)).to_have_value("Half a sentence")
        assert page.evaluate("window.notReloaded")
    expect(kevin.locator(f"#message-{said}")).to_be_visible()
    writes(other, "And a whole one")
    expect(other.locator("#messages")).to_contain_text("And a whole one")


@pytest.mark.parametrize("sign_out", [True, False], ids=["signed out", "not signed out"])
def test_a_tab_whose_browser_another_user_signed_in_to_shows_it_and_keeps_the_draft(
    window, ada, sign_out
):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    second = live(kevin.context.new_page(), "/conversations/4")
    kevin.fill(COMPOSER, "For the customer, from Kevin")
    if sign_out:
        sign_out_elsewhere(kevin)
    sign_in_elsewhere(kevin, "ada")
    for page in (kevin, second):
        page.evaluate("dispatchEvent(new Event('focus'))")
        expect(page.locator("#notice")).to_contain_text("signed in as Ada now")
        expect(page.locator("#notice")).to_contain_text("this page is Kevin’s")
        expect(page.locator("#live")).to_contain_text("Not live")
    newest = ada.say(1, "Not for a page of Kevin's")
    before = ada.messages_after(4, 0)
    writes(second, "From a page of Kevin's")
    expect(second.locator("#sending")).to_contain_text("Ada is signed in now")
    expect(kevin.locator(f"#message-{newest}")).to_have_count(0)
    expect(kevin.locator(COMPOSER)).to_have_value("For the customer, from Kevin")
    kevin.get_by_role("button", name="Reload the page").click()
    expect(kevin.locator("#me-menu .me")).to_have_text("Ada")
    expect(kevin.locator(COMPOSER)).to_have_value("")  # a draft is its author's
    assert ada.messages_after(4, 0) == before
    sign_in_elsewhere(kevin, "kevin")
    kevin.reload()
    expect(kevin.locator(COMPOSER)).to_have_value("For the customer, from Kevin")
    second.evaluate("dispatchEvent(new Event('focus'))")
    expect(second.locator("#live")).to_contain_text("Live")
    expect(second.locator("#notice")).to_be_hidden()
    expect(second.locator("#messages")).to_contain_text("From a page of Kevin's")  # by itself


def test_older_messages_are_not_loaded_from_the_page_of_another_user(window, writer):
    for n in range(60):
        writer.say(5, f"Line {n}")
    kevin = live(window("kevin", BLANK), "/conversations/5")
    before = kevin.locator("#messages > .message").count()
    sign_in_elsewhere(kevin, "ada")
    with kevin.expect_response(re.compile(r"before=")) as answer:
        kevin.locator("#thread-scroll").evaluate("thread => thread.scrollTo(0, -100000)")
    assert answer.value.ok
    answer.value.finished()
    eventually(lambda: kevin.locator(".more[aria-busy]").count() == 0)
    assert kevin.locator("#messages > .message").count() == before


def test_a_form_without_javascript_keeps_its_text_through_a_sign_out(window):
    kevin = window("kevin", java_script_enabled=False)
    kevin.goto("/conversations/2")
    kevin.fill(COMPOSER, "Line one\nLine <two>")
    sign_out_elsewhere(kevin)
    kevin.click("#composer .tools .primary")
    expect(kevin.locator("textarea")).to_have_value("Line one\nLine <two>")
    with kevin.context.expect_page() as login:
        kevin.get_by_role("link", name="Sign in").click()
    assert login.value.url.endswith("/login")
    sign_in_elsewhere(kevin, "kevin")
    kevin.get_by_role("button", name="Try again").click()
    kevin.get_by_role("button", name="Send as Kevin").click()
    kevin.wait_for_url("**/conversations/2")
    expect(kevin.locator("#messages > .message").last).to_contain_text("Line <two>")
