"""Nothing that was written is lost: by a colleague, a reset, a reload, a closed tab, a device."""

import json
import re

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live

COMPOSER = "#composer textarea"


def begin_edit(page: Page, text: str) -> str:
    """Open the edit of the own message with this text; return its id."""
    message = page.locator("#messages > .message", has_text=text).last
    id = message.get_attribute("id")
    message.hover()
    message.get_by_label("Edit or delete this message").click()
    expect(page.locator(f"#{id} .edit textarea")).to_be_focused()
    return id or ""


@pytest.fixture
def kevin(window):
    return live(window("kevin", BLANK), "/conversations/1")


def test_an_edit_survives_a_colleagues_edit_and_deletion_and_both_texts_are_offered(kevin, ada):
    act(kevin, "/conversations/1/messages", content="Shipped on Monday")
    expect(kevin.locator("#messages")).to_contain_text("Shipped on Monday")
    id = begin_edit(kevin, "Shipped on Monday")
    text = kevin.locator(f"#{id} .edit textarea")
    text.fill("Shipped on Tuesday, by")
    ada.post(f"/messages/{id.removeprefix('message-')}", content="Shipped on Friday")
    expect(kevin.locator(f"#{id} .content")).to_have_text("Shipped on Friday")
    expect(text).to_have_value("Shipped on Tuesday, by")
    expect(text).to_be_focused()
    kevin.keyboard.type(" ship")
    expect(kevin.locator(f"#{id}")).to_contain_text("This message was changed meanwhile")
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.locator(f"#{id} .content")).to_have_text("Shipped on Tuesday, by ship")
    expect(kevin.locator(".edit")).to_have_count(0)
    begin_edit(kevin, "Shipped on Tuesday")
    text.fill("Shipped on Sunday")
    ada.post(f"/messages/{id.removeprefix('message-')}/delete")
    expect(kevin.locator(f"#{id}")).to_contain_text("This message was deleted meanwhile")
    expect(text).to_have_value("Shipped on Sunday")
    kevin.get_by_role("button", name="Move it to the reply").click()
    expect(kevin.locator(COMPOSER)).to_have_value("Shipped on Sunday")
    kevin.fill(COMPOSER, "")


def test_keep_theirs_leaves_the_colleagues_text(kevin, ada):
    act(kevin, "/conversations/1/messages", content="On the way")
    id = begin_edit(kevin, "On the way")
    kevin.locator(f"#{id} .edit textarea").fill("Mine")
    ada.post(f"/messages/{id.removeprefix('message-')}", content="Theirs")
    kevin.get_by_role("button", name="Keep theirs").click()
    kevin.reload()
    expect(kevin.locator(f"#{id} .content")).to_have_text("Theirs")
    expect(kevin.locator(".edit")).to_have_count(0)


def test_a_message_that_is_shown_cut_is_edited_whole(kevin):
    long = "ÄÖÜäöüß " * 1200 + "The end."
    completing = re.compile(r"[?&](after|part)=")
    kevin.route(completing, lambda route: route.abort())
    act(kevin, "/conversations/1/messages", content=long)
    message = kevin.locator("#messages > [data-truncated]").last
    expect(message).to_be_visible()
    message.hover()
    message.get_by_label("Edit or delete this message").click()
    expect(kevin.locator("#toast")).to_contain_text("could not be loaded")
    expect(kevin.locator(".edit")).to_have_count(0)  # the shown text would lose its end
    kevin.unroute(completing)
    message.get_by_label("Edit or delete this message").click()
    expect(kevin.locator(".edit textarea")).to_have_value(long)
    kevin.locator(".edit").get_by_role("button", name="Cancel").click()


def test_texts_of_a_dialog_an_edit_and_the_box_survive_a_reset_a_reload_and_a_closed_tab(
    window, restartable, ada
):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    act(kevin, "/conversations/1/messages", content="To be edited")
    id = begin_edit(kevin, "To be edited")
    kevin.locator(f"#{id} .edit textarea").fill("Half an edit")
    kevin.fill(COMPOSER, "Half a reply")
    kevin.get_by_role("button", name="New conversation").click()
    dialog = kevin.get_by_role("dialog", name="New conversation")
    dialog.get_by_label("Customer's name").fill("Grace")
    dialog.get_by_label("Message").fill("Half a first message")
    restartable.flask("inbox", "add", "2", "kevin@example.com")  # resets his streams
    expect(kevin.locator("#conversation-7")).to_be_attached()
    expect(dialog).to_be_visible()
    expect(dialog.get_by_label("Message")).to_have_value("Half a first message")
    expect(kevin.locator(COMPOSER)).to_have_value("Half a reply")

    def shows_all(page: Page) -> None:
        expect(page.locator(COMPOSER)).to_have_value("Half a reply")
        expect(page.locator(f"#{id} .edit textarea")).to_have_value("Half an edit")
        page.get_by_role("button", name="New conversation").click()
        dialog = page.get_by_role("dialog", name="New conversation")
        expect(dialog.get_by_label("Customer's name")).to_have_value("Grace")
        expect(dialog.get_by_label("Message")).to_have_value("Half a first message")

    kevin.reload()
    shows_all(kevin)
    again = kevin.context.new_page()
    kevin.close(run_before_unload=False)
    live(again, "/conversations/1")
    shows_all(again)
    again.get_by_role("dialog").get_by_role("button", name="Clear").click()
    again.reload()
    expect(again.get_by_label("Message", exact=True)).to_have_value("")
    restartable.flask("inbox", "remove", "2", "kevin@example.com")


def test_a_message_that_could_not_be_sent_is_marked_outlives_its_tab_and_goes_out_by_itself(
    kevin, ada
):
    context = kevin.context
    context.route("**/conversations/1/messages", lambda route: route.abort())
    kevin.fill(COMPOSER, "Written without a network")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#sending > .message")).to_contain_text("Not sent")
    expect(kevin.locator("#conversation-1")).to_have_attribute("data-unsent", "")
    kevin.close()
    context.unroute("**/conversations/1/messages")
    later = live(context.new_page(), "/conversations/2")
    expect(later.locator("#conversation-1")).to_contain_text("Written without a network")
    expect(later.locator("#conversation-1")).not_to_have_attribute("data-unsent", "")
    live(later, "/conversations/1")
    expect(later.locator(".content", has_text="Written without a network")).to_have_count(1)


def test_a_draft_follows_its_user_to_another_device_and_nobody_else(window, kevin):
    with kevin.expect_response("**/conversations/1/draft") as saved:
        kevin.fill(COMPOSER, "Begun on the laptop")
    assert saved.value.ok
    expect(kevin.locator("#conversation-1")).to_have_attribute("data-draft", "")
    phone = live(window("kevin", BLANK), "/conversations/1")
    expect(phone.locator(COMPOSER)).to_have_value("Begun on the laptop")
    stranger = live(window("ada", BLANK), "/conversations/1")
    expect(stranger.locator(COMPOSER)).to_have_value("")
    with phone.expect_response("**/conversations/1/draft"):
        phone.fill(COMPOSER, "Changed on the phone")
    kevin.fill(COMPOSER, "Changed on the laptop")
    other = kevin.locator("#other-draft")
    expect(other).to_contain_text("Changed on the phone")
    other.get_by_role("button", name="Insert it").click()
    expect(kevin.locator(COMPOSER)).to_have_value("Changed on the laptop\n\nChanged on the phone")
    with kevin.expect_response("**/conversations/1/draft"):
        kevin.fill(COMPOSER, "")


def test_signing_out_leaves_no_text_in_the_browser_and_loses_none(window, kevin):
    kevin.fill(COMPOSER, "Unfinished")
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="Sign out").click()
    kevin.wait_for_url("**/login")
    assert "Unfinished" not in json.dumps(kevin.evaluate("Object.values({...localStorage})"))
    again = live(window("kevin", BLANK), "/conversations/1")
    expect(again.locator(COMPOSER)).to_have_value("Unfinished")
    again.fill(COMPOSER, "")


def test_a_dialog_keeps_the_focus_and_a_click_outside_neither_falls_through_nor_discards(kevin):
    kevin.get_by_role("button", name="New conversation").click()
    dialog = kevin.get_by_role("dialog", name="New conversation")
    expect(dialog.locator("input:not([type=hidden]), select").first).to_be_focused()
    dialog.get_by_label("Message").fill("Kept")
    kevin.mouse.click(40, kevin.viewport_size["height"] / 2)  # on the list behind
    expect(dialog).to_be_visible()
    assert kevin.url.endswith("/conversations/1")
    for _ in range(12):
        kevin.keyboard.press("Tab")
        assert kevin.evaluate(
            "document.activeElement === document.body"
            " || document.querySelector('dialog').contains(document.activeElement)"
        )
    kevin.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    kevin.get_by_role("button", name="New conversation").click()
    expect(dialog.get_by_label("Message")).to_have_value("Kept")
    dialog.get_by_role("button", name="Clear").click()
    kevin.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_losing_access_takes_the_thread_away_and_leaves_what_was_written(window, restartable):
    kevin = live(window("kevin", BLANK), "/conversations/2")
    kevin.fill(COMPOSER, "Half a thought")
    restartable.flask("inbox", "remove", "1", "kevin@example.com")
    thread = kevin.locator("#thread")
    expect(thread).to_contain_text("This conversation is no longer here")
    expect(thread.locator("textarea")).to_have_value("Half a thought")
    expect(kevin.locator("#messages, #composer")).to_have_count(0)
    restartable.flask("inbox", "add", "1", "kevin@example.com")


def test_what_another_tabs_sign_out_deletes_is_there_again_for_its_author(window, restartable):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    act(kevin, "/conversations/1/messages", content="Edited while signing out")
    id = begin_edit(kevin, "Edited while signing out")
    kevin.locator(f"#{id} .edit textarea").fill("Half an edit")
    kevin.get_by_role("button", name="New conversation").click()
    kevin.get_by_role("dialog").get_by_label("Message").fill("Half a first message")
    kevin.keyboard.press("Escape")
    other = kevin.context.new_page()
    for name in ("ada", "kevin"):
        other.goto("/accounts/1/conversations")
        other.locator("#me-menu summary").click()
        other.get_by_role("button", name="Sign out").click()
        other.wait_for_url("**/login")
        stored = json.dumps(other.evaluate("Object.values({...localStorage})"))
        assert name == "kevin" or "Half" not in stored, "his sign-out left his text in the browser"
        other.fill("input[name=email]:visible", f"{name}@example.com")
        other.fill("input[name=password]:visible", "password")
        other.get_by_role("button", name="Sign in").click()
        other.wait_for_url("**/conversations*")
        if name == "ada":
            kevin.evaluate("dispatchEvent(new Event('focus'))")
            expect(kevin.locator("#notice")).to_contain_text("signed in as Ada now")
            kevin.get_by_role("button", name="Reload the page").click()
            expect(kevin.locator("#me-menu .me")).to_have_text("Ada")
            expect(kevin.locator(".edit")).to_have_count(0)
            kevin.goto("about:blank")
    live(kevin, "/conversations/1")
    expect(kevin.locator(f"#{id} .edit textarea")).to_have_value("Half an edit")
    kevin.get_by_role("button", name="New conversation").click()
    dialog = kevin.get_by_role("dialog")
    expect(dialog.get_by_label("Message")).to_have_value("Half a first message")
    dialog.get_by_role("button", name="Clear").click()
