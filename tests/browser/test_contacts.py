"""A contact's page: live on other pages, and nothing typed is lost."""

import re

from playwright.sync_api import expect

from .page import BLANK
from .page import live

NOTES = "Notes, for the team only"


def test_a_changed_contact_shows_in_another_agents_row_thread_and_details(window):
    ada = live(window("ada", BLANK), "/conversations/3")
    kevin = window("kevin", "/conversations/3")
    kevin.set_viewport_size({"width": 1600, "height": 900})
    ada.set_viewport_size({"width": 1600, "height": 900})
    ada.get_by_label("Your message").fill("Half a reply")
    with kevin.expect_event("load"):  # with the page's script
        kevin.get_by_role("link", name="Details and notes").click()
    kevin.get_by_label("Name").fill("Yuki T.")
    kevin.get_by_label("Phone").fill("+81 3 1234 5678")
    kevin.get_by_label(NOTES).fill("Writes at night")
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.get_by_role("alert")).to_have_text("Saved.")
    expect(kevin.get_by_role("heading", level=1)).to_contain_text("Yuki T.")
    expect(ada.locator("#thread h1")).to_have_text("Yuki T.")
    expect(ada.locator("#conversation-3 .who")).to_have_text("Yuki T.")
    expect(ada.locator("#contact-details")).to_contain_text("+81 3 1234 5678")
    expect(ada.locator("#contact")).not_to_contain_text("Writes at night")
    expect(ada.get_by_label("Your message")).to_have_value("Half a reply")


def test_typed_notes_survive_a_reload_until_they_are_saved(window):
    kevin = window("kevin", "/contacts/4")
    kevin.get_by_label(NOTES).fill("Half a note")
    kevin.reload()
    expect(kevin.get_by_label(NOTES)).to_have_value("Half a note")
    expect(kevin.get_by_role("alert")).to_contain_text("is not saved yet")
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.get_by_role("alert")).to_have_text("Saved.")
    kevin.reload()
    expect(kevin.get_by_label(NOTES)).to_have_value("Half a note")
    expect(kevin.get_by_role("alert")).to_have_count(0)


def test_a_colleagues_change_meanwhile_is_shown_and_neither_text_is_lost(window, ada):
    kevin = window("kevin", "/contacts/5")
    kevin.get_by_label(NOTES).fill("Kevin's")
    ada.post("/contacts/5", notes="Ada's", phone="030 1")
    kevin.reload()  # the text that is restored is still based on the earlier version
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.get_by_role("alert")).to_contain_text("has changed meanwhile")
    expect(kevin.get_by_label(NOTES)).to_have_value("Kevin's")
    expect(kevin.locator("#notes-problem")).to_contain_text("Ada's")
    expect(kevin.locator("#phone-problem")).to_contain_text("030 1")
    kevin.get_by_label(NOTES).fill("Ada's and Kevin's")
    kevin.get_by_label("Phone").fill("030 1")
    kevin.reload()
    expect(kevin.get_by_label(NOTES)).to_have_value("Ada's and Kevin's")
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.get_by_role("alert")).to_have_text("Saved.")


def test_text_stays_when_the_server_refuses_it_or_does_not_answer(window):
    kevin = window("kevin", "/contacts/6")
    kevin.get_by_label(NOTES).fill("Not lost")
    kevin.get_by_label("Phone").fill("call me")
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.locator("#phone-problem")).to_contain_text("must be a number")
    expect(kevin.get_by_label(NOTES)).to_have_value("Not lost")
    kevin.get_by_label("Phone").fill("112")
    kevin.route("**/contacts/6", lambda route: route.abort())
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.get_by_role("alert").first).to_contain_text("No answer from the server")
    kevin.unroute("**/contacts/6")
    kevin.reload()
    expect(kevin.get_by_label(NOTES)).to_have_value("Not lost")
    kevin.get_by_role("button", name="Save").click()
    expect(kevin.get_by_role("alert")).to_have_text("Saved.")


def test_text_whose_saving_was_not_answered_is_unsaved_only_if_it_is(window, ada):
    kevin = window("kevin", "/contacts/3")
    kevin.get_by_label(NOTES).fill("Half a note")
    ada.post("/contacts/3", notes="Half a note")
    kevin.reload()
    expect(kevin.get_by_label(NOTES)).to_have_value("Half a note")
    expect(kevin.get_by_role("alert")).to_have_count(0)
    ada.post("/contacts/3", notes="")
    kevin.reload()
    expect(kevin.get_by_label(NOTES)).to_have_value("")


def test_contacts_are_changed_merged_and_restored_without_javascript(window):
    ada = window("ada", "/contacts/8", java_script_enabled=False)
    ada.get_by_label(NOTES).fill("Sofia's")
    ada.get_by_role("button", name="Save").click()
    expect(ada.get_by_label(NOTES)).to_have_value("Sofia's")
    ada.get_by_role("link", name="Merge into another contact…").click()
    ada.get_by_label("The other contact's address").fill("ahmed.hassan@example.com")
    ada.get_by_role("button", name="Show what happens").click()
    expect(ada.locator(".compared")).to_contain_text("Sofia's")
    ada.get_by_role("button", name="Merge, and move 1 conversation").click()
    expect(ada).to_have_url(re.compile(r"/contacts/9$"))
    expect(ada.locator(".others > li")).to_have_count(2)
    expect(ada.locator(".managed")).to_contain_text("Sofia's")
    ada.get_by_role("button", name="Undo the merge of Sofia Rossi").click()
    expect(ada).to_have_url(re.compile(r"/contacts/8$"))
    expect(ada.get_by_label(NOTES)).to_have_value("Sofia's")
    expect(ada.locator(".others > li")).to_have_count(1)


def test_text_stays_and_comes_back_when_access_was_lost_for_a_while(window, restartable):
    """The last test of the server: Grace leaves her inbox and joins it again."""
    grace = window("grace", "/contacts/10")
    grace.get_by_label(NOTES).fill("Not lost")
    restartable.flask("inbox", "remove", "2", "grace@example.com")
    grace.get_by_role("button", name="Save").click()
    expect(grace.get_by_role("alert")).to_contain_text("There is nothing here")
    expect(grace.get_by_label(NOTES)).to_have_value("Not lost")
    grace.reload()
    expect(grace.locator("body")).not_to_contain_text("Emma Clarke")
    restartable.flask("inbox", "add", "2", "grace@example.com")
    grace.reload()
    expect(grace.get_by_label(NOTES)).to_have_value("Not lost")
    grace.get_by_role("button", name="Save").click()
    expect(grace.get_by_role("alert")).to_have_text("Saved.")


def test_the_focus_stays_on_save_when_a_contact_was_saved(window):
    kevin = window("kevin", "/contacts/4")
    kevin.get_by_label("Phone").fill("+47 22 12 34 56")
    kevin.keyboard.press("Enter")
    expect(kevin.get_by_role("alert")).to_have_text("Saved.")
    expect(kevin.get_by_role("button", name="Save")).to_be_focused()
    expect(kevin.get_by_role("alert")).to_be_in_viewport()
