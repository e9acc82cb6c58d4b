"""Automatic assignment in the page."""

import re

from playwright.sync_api import expect

from .page import BLANK
from .page import live


def test_an_administrator_sets_automatic_assignment_without_javascript_and_the_assignee_is_notified(
    window, writer
):
    ada = window("ada", "/conversations/3", java_script_enabled=False)  # and so is not present
    kevin = live(window("kevin", BLANK), "/conversations/2")
    expect(kevin.get_by_role("link", name="Inboxes", exact=True)).to_have_count(0)
    ada.locator("#me-menu summary").click()
    ada.get_by_role("link", name="Inboxes", exact=True).click()
    website = ada.locator("section", has_text="Website chat")
    website.get_by_label("Assign automatically").select_option("true")
    website.get_by_label("Most open conversations of a member").fill("20")
    website.get_by_role("button", name="Save").click()
    expect(website.get_by_label("Assign automatically")).to_have_value("true")
    expect(website.get_by_label("Most open conversations of a member")).to_have_value("20")
    email = ada.locator("section", has_text="Orders by email")
    expect(email.get_by_label("Assign automatically")).to_have_value("false")
    for status in ("pending", "open"):
        writer.post("/conversations/2/status", status=status)
    expect(kevin.locator("#messages")).to_contain_text(
        re.compile(r"Assigned to \W*Kevin\W* automatically")
    )
    expect(kevin.locator("#thread-assignee")).to_contain_text("Kevin")
    notification = kevin.locator("#notifications > li").first
    expect(notification).to_contain_text("A conversation was assigned to you")
    expect(notification).to_contain_text("Tom Okafor")
