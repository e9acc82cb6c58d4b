"""Ctrl+K finds conversations, people and commands."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import Route
from playwright.sync_api import expect

from .page import BLANK
from .page import live


@pytest.fixture
def kevin(window) -> Page:
    page = live(window("kevin", BLANK), "/conversations/2?status=any")
    page.keyboard.press("Control+k")
    expect(page.locator("#palette input")).to_be_focused()
    return page


def options(page: Page):
    return page.locator("#palette [role=option]")


def test_a_conversation_is_found_by_a_name_and_opened_without_loading_the_page(kevin):
    kevin.evaluate("window.stays = true")
    kevin.keyboard.type("tanaka")
    expect(options(kevin).first).to_contain_text("Yuki Tanaka")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#palette")).to_be_hidden()
    expect(kevin.locator("#thread h1")).to_have_text("Yuki Tanaka")
    assert kevin.evaluate("window.stays") is True


def test_a_person_is_found_and_their_page_opened(kevin):
    kevin.keyboard.type("tanaka")
    contact = options(kevin).filter(has_text="Contact: Yuki Tanaka")
    expect(contact).to_be_visible()
    contact.click()
    kevin.wait_for_url("**/contacts/3")


def test_a_command_is_found_by_the_beginnings_of_its_words_and_done(kevin, ada):
    ada.post("/conversations/2/status", status="open")
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    kevin.keyboard.type("STA pend")
    expect(options(kevin).first).to_have_text("Status: Pending")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#thread-status")).to_have_text("Pending")


def test_a_conversation_is_assigned_by_a_command(kevin, ada):
    ada.post("/conversations/2/assignee", assignee_id=None)
    expect(kevin.locator("#thread-assignee")).to_contain_text("Unassigned")
    kevin.keyboard.type("assignee ada")
    expect(options(kevin).first).to_have_text("Assignee: Ada")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#thread-assignee")).to_contain_text("Ada")


def test_arrows_choose_and_escape_leaves_everything_as_it_was(kevin):
    first, second = options(kevin).nth(0), options(kevin).nth(1)
    expect(first).to_have_attribute("aria-selected", "true")
    kevin.keyboard.press("ArrowDown")
    expect(second).to_have_attribute("aria-selected", "true")
    input = kevin.locator("#palette input")
    expect(input).to_have_attribute("aria-activedescendant", second.get_attribute("id") or "")
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#palette")).to_be_hidden()
    assert kevin.locator("body").get_attribute("data-conversation") == "2"


def test_what_was_chosen_stays_chosen_when_the_search_is_answered(kevin):
    answers: list[Route] = []
    kevin.route("**/conversations?q=*", lambda route: answers.append(route))
    with kevin.expect_request("**/conversations?q=*"):
        kevin.keyboard.type("status")
    second = options(kevin).nth(1)
    text = second.inner_text()
    kevin.keyboard.press("ArrowDown")
    expect(second).to_have_attribute("aria-selected", "true")
    with kevin.expect_response("**/conversations?q=*"):
        answers[0].continue_()
    expect(kevin.locator("#palette [role=option]")).not_to_have_count(0)
    chosen = kevin.locator("#palette [aria-selected=true]")
    kevin.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")
    expect(chosen).to_have_text(text)


def test_the_answer_for_an_earlier_text_does_not_bring_back_what_matched_that(kevin, ada):
    ada.post("/conversations/2/status", status="open")
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    kevin.route("**/conversations?q=*", lambda route: None)  # its answer is under way
    with kevin.expect_request("**/conversations?q=*"):
        kevin.keyboard.type("status")
    expect(options(kevin).first).to_have_text("Status: Open")
    kevin.clock.install(time=0)
    kevin.clock.pause_at(30_000)  # before the pause after the last key is over
    with kevin.expect_event("requestfailed", lambda request: "?q=status" in request.url):
        kevin.keyboard.type(" pend")
    expect(options(kevin).first).to_have_text("Status: Pending")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#thread-status")).to_have_text("Pending")


def test_a_command_whose_button_was_replaced_meanwhile_is_done(kevin, ada):
    ada.post("/conversations/2/status", status="open")
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    kevin.keyboard.type("status pend")
    expect(options(kevin).first).to_have_text("Status: Pending")
    kevin.evaluate(
        "document.querySelectorAll('.thread-head .panel button')"
        ".forEach((button) => button.replaceWith(button.cloneNode(true)))"
    )
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#thread-status")).to_have_text("Pending")


def test_what_nothing_matches_is_said_so_and_enter_does_nothing(kevin):
    kevin.keyboard.type("xyzzy-plugh")
    expect(kevin.locator("#palette [role=status]")).to_have_text("Nothing found.")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#palette")).to_be_visible()


def test_without_the_server_commands_are_still_found_and_the_rest_is_said(kevin):
    kevin.context.set_offline(True)
    kevin.keyboard.type("reso")
    expect(options(kevin).first).to_have_text("Status: Resolved")
    expect(kevin.locator("#palette [role=status]")).to_contain_text("no answer from the server")


def test_on_a_phone_the_palette_is_opened_from_the_menu_by_a_finger(window):
    page = window("kevin", BLANK, viewport={"width": 390, "height": 844}, has_touch=True)
    live(page, "/accounts/1/conversations?status=any")
    page.locator("#me-menu summary").tap()
    page.get_by_role("button", name="Find anything").tap()
    expect(page.locator("#palette input")).to_be_focused()
    page.keyboard.type("tanaka")
    options(page).first.tap()
    expect(page.locator("#thread h1")).to_have_text("Yuki Tanaka")
    expect(page.locator("#me-menu .panel")).to_be_hidden()
