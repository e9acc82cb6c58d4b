"""A change of status or assignee can be undone for ten seconds; the next conversation follows."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import live
from .test_inbox_notices import switch_on

OPEN = "/conversations/2"


@pytest.fixture
def kevin(window, ada) -> Page:
    ada.post(f"{OPEN}/status", status="open")
    ada.post(f"{OPEN}/assignee", assignee_id=None)
    return live(window("kevin", BLANK), OPEN)


def undo(page: Page) -> None:
    page.locator("#toast").get_by_role("button", name="Undo").click()
    expect(page.locator("#toast")).to_be_hidden()


def test_resolving_snoozing_and_assigning_are_undone(kevin, ada):
    kevin.keyboard.press("e")
    expect(kevin.locator("#toast")).to_contain_text("Resolved.")
    expect(kevin.locator("#thread-status")).to_have_text("Resolved")
    undo(kevin)
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    kevin.keyboard.press("a")
    expect(kevin.locator("#toast")).to_contain_text("Assigned to you.")
    expect(kevin.locator("#thread-assignee")).to_contain_text("Kevin")
    undo(kevin)
    expect(kevin.locator("#thread-assignee")).to_have_text("Unassigned")
    kevin.locator("#status-menu summary").click()
    kevin.get_by_role("button", name="Until next week").click()
    expect(kevin.locator("#toast")).to_contain_text("Snoozed.")
    until = ada.conversation(2)["snoozed_until"]
    kevin.locator("#status-menu summary").click()
    kevin.locator('#status-menu button[value="open"]').click()
    expect(kevin.locator("#toast")).to_contain_text("Opened.")
    undo(kevin)
    expect(kevin.locator("#thread-status")).to_contain_text("Snoozed until")
    assert ada.conversation(2)["snoozed_until"] == until


def test_what_a_colleague_changed_meanwhile_is_not_undone(kevin, ada):
    kevin.keyboard.press("a")
    expect(kevin.locator("#toast")).to_contain_text("Assigned to you.")
    ada.post(f"{OPEN}/assignee", assignee_id=1)
    kevin.locator("#toast").get_by_role("button", name="Undo").click()
    expect(kevin.locator("#toast")).to_contain_text("Ada")
    assert ada.conversation(2)["assignee"]["name"] == "Ada"


def test_an_offer_to_undo_disappears_after_ten_seconds(window, ada):
    ada.post(f"{OPEN}/status", status="open")
    page = window("kevin", BLANK)
    page.clock.install()
    live(page, OPEN)
    page.keyboard.press("e")
    expect(page.locator("#toast")).to_contain_text("Resolved.")
    page.clock.run_for(9_000)
    expect(page.locator("#toast")).to_be_visible()
    page.clock.run_for(1_500)
    expect(page.locator("#toast")).to_be_hidden()


def test_by_choice_the_next_conversation_opens_after_one_is_resolved(kevin):
    next_ = kevin.locator(".row:has([aria-current]) + .row")
    id = (next_.get_attribute("id") or "").removeprefix("conversation-")
    kevin.keyboard.press("e")
    expect(kevin.locator("#toast")).to_contain_text("Resolved.")
    undo(kevin)
    assert kevin.locator("body").get_attribute("data-conversation") == "2"
    switch_on(kevin, "Go on to the next after resolving")
    kevin.keyboard.press("Escape")
    kevin.locator("#thread-scroll").focus()
    kevin.keyboard.press("e")
    expect(kevin.locator("body")).to_have_attribute("data-conversation", id)
    undo(kevin)
    expect(kevin.locator("#conversation-2 .chip").first).to_have_text("Open")


def test_the_key_z_undoes_a_change_and_is_a_letter_in_a_field(kevin):
    kevin.keyboard.press("z")  # nothing to undo
    kevin.keyboard.press("e")
    expect(kevin.locator("#thread-status")).to_have_text("Resolved")
    expect(kevin.locator("#toast")).to_contain_text("Resolved.")
    reply = kevin.get_by_label("Your message")
    reply.press("z")
    expect(reply).to_have_value("z")
    expect(kevin.locator("#toast")).to_be_visible()
    kevin.keyboard.press("Escape")
    kevin.keyboard.press("z")
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    expect(kevin.locator("#toast")).to_be_hidden()


def test_the_focus_is_on_the_status_after_undo_was_pressed(kevin):
    kevin.keyboard.press("e")
    button = kevin.locator("#toast").get_by_role("button", name="Undo")
    button.focus()
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    expect(kevin.locator("#status-menu summary")).to_be_focused()
