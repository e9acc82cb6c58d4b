"""Labels and canned replies in the page."""

import re

from playwright.sync_api import expect

from .page import BLANK
from .page import live


def test_a_label_set_in_the_menu_shows_in_another_agents_window_row_and_filter(window):
    ada, kevin = (
        live(window("ada", BLANK), "/conversations/2?label=3"),
        live(window("kevin", BLANK), "/conversations/2"),
    )
    row = ada.locator("#conversation-2")
    expect(row).to_have_count(0)
    height = kevin.locator("#conversation-2 a").evaluate("row => row.offsetHeight")
    kevin.locator("#labels-menu summary").click()
    choice = kevin.locator("#label-choices").get_by_role("button", name="VIP")
    choice.click()
    expect(ada.locator("#thread-labels")).to_contain_text("VIP")
    expect(row).to_contain_text("VIP")  # the view's rows follow
    expect(ada.locator("#messages")).to_contain_text("Kevin added VIP")
    expect(kevin.locator("#conversation-2 .label")).to_have_text("VIP")
    assert kevin.locator("#conversation-2 a").evaluate("row => row.offsetHeight") == height
    # Ada's menu has followed, without a reload: her click removes it.
    ada.locator("#labels-menu summary").click()
    pressed = ada.locator("#label-choices [aria-pressed=true]")
    expect(pressed).to_have_text("VIP")
    pressed.click()
    expect(kevin.locator("#thread-labels")).to_have_text("No label")
    expect(row).to_have_count(0)
    ada.get_by_label("Label", exact=True).select_option("Delivery")
    ada.wait_for_url(re.compile(r"label=2"))
    expect(ada.locator("#conversations > .row")).to_have_count(2)
    # The account's labels change: open pages follow, and a text in the making stays.
    kevin.get_by_label("Your message").fill("Half a reply")
    ada.goto("/accounts/1/labels")
    ada.locator("li", has_text="Delivery").get_by_text("Change").click()
    ada.locator("li", has_text="Delivery").get_by_label("Title").fill("Shipping")
    ada.locator("li", has_text="Delivery").get_by_role("button", name="Save").click()
    expect(kevin.locator("#conversation-1")).to_contain_text("Shipping")
    expect(kevin.locator("#label-choices")).to_contain_text("Shipping")
    expect(kevin.get_by_label("Label", exact=True)).to_contain_text("Shipping")
    expect(kevin.get_by_label("Your message")).to_have_value("Half a reply")


def test_labels_are_set_filtered_and_managed_without_javascript(window):
    ada = window("ada", "/conversations/3", java_script_enabled=False)
    ada.locator("#labels-menu summary").click()
    ada.locator("#label-choices").get_by_role("button", name="Billing").click()
    expect(ada.locator("#thread-labels")).to_have_text("Billing")
    ada.get_by_label("Label", exact=True).select_option("Billing")
    ada.get_by_role("button", name="Search").click()
    expect(ada.locator("#conversations > .row")).to_have_count(2)
    ada.locator("#me-menu summary").click()
    ada.get_by_role("link", name="Labels", exact=True).click()
    ada.get_by_label("Title").first.fill("billing")
    ada.get_by_role("button", name="Add the label").click()
    expect(ada.get_by_text("It is the title of another label.")).to_be_visible()
    expect(ada.get_by_label("Title").first).to_have_value("billing")
    ada.get_by_label("Title").first.fill("Returns")
    ada.get_by_role("button", name="Add the label").click()
    expect(ada.locator(".managed")).to_contain_text("Returns")
    ada.locator("li", has_text="Returns").get_by_text("Change").click()
    ada.locator("li", has_text="Returns").get_by_text("Delete it…").click()
    ada.locator("li", has_text="Returns").get_by_role("button", name="Delete Returns").click()
    expect(ada.locator(".managed")).not_to_contain_text("Returns")
