"""The settings of an inbox's chat on websites: by hand without a script, on a phone, and live in
other windows."""

import re

from playwright.sync_api import expect

from .test_inbox_safe import complaints
from .test_settings import PHONE
from .test_settings import axe

__all__ = ["axe"]

DEMO, OTHER = "/inboxes/1/website", "/inboxes/2/website"


def test_a_chat_is_made_changed_and_removed_without_javascript_on_a_phone(window, server):
    ada = window("ada", "/accounts/1/inboxes", java_script_enabled=False, viewport=PHONE)
    ada.get_by_role("link", name="Chat on websites of Orders by email").click()
    new = ada.get_by_role("region", name="New chat")
    new.get_by_label("Origins").fill("https://shop.example/path\nhttp://localhost:3000")
    new.get_by_label("Greeting").fill("Hello!")
    new.get_by_label("While no member is there").fill("Back at nine.")
    new.get_by_role("button", name="Make the chat").click()
    expect(ada.get_by_text("leave out what follows")).to_be_visible()
    expect(ada.get_by_label("Origins")).to_be_focused()
    expect(ada.get_by_label("Greeting")).to_have_value("Hello!")
    ada.get_by_label("Origins").fill("https://SHOP.example\nhttp://localhost:3000")
    ada.get_by_role("button", name="Make the chat").click()
    assert ada.url == f"{server}{OTHER}"
    expect(
        ada.get_by_text("It works on https://shop.example, http://localhost:3000.")
    ).to_be_visible()
    element = ada.get_by_label("For the pages of your site").input_value()
    assert element.startswith(f'<script async src="{server}/widget.js" data-inbox="')
    key = re.search('data-inbox="([0-9a-f]+)"', element)[1]
    expect(ada.get_by_role("link", name=f"/chat/{key}")).to_have_attribute(
        "href", f"{server}/chat/{key}"
    )
    visitor = ada.context.new_page()
    visitor.goto(f"/chat/{key}")
    expect(visitor.get_by_text("Back at nine.")).to_be_visible()  # her page has no stream
    ada.get_by_label("Accent", exact=True).fill("#ffcc00")
    ada.get_by_label("Language").select_option("de")
    ada.get_by_role("button", name="Save").click()
    expect(
        ada.get_by_text("Text on #ffcc00 is black, with a contrast of 13.9 : 1.")
    ).to_be_visible()
    expect(ada.get_by_label("Language")).to_have_value("de")
    ada.get_by_role("button", name="Make a secret").click()
    secret = ada.get_by_role("textbox", name="The secret").input_value()
    assert re.fullmatch("[0-9a-f]{64}", secret)
    ada.goto(OTHER)
    assert secret not in ada.content()
    secrets = ada.get_by_role("region", name="Secrets for identities")
    secrets.get_by_text("Remove it…").click()
    secrets.get_by_role("button", name=re.compile("^Remove [0-9a-f]{8}$")).click()
    expect(ada.get_by_text("There are no secrets yet.")).to_be_visible()
    ada.get_by_text("Remove it from all sites…").click()
    ada.get_by_role("button", name="Remove the chat").click()
    expect(ada.get_by_role("button", name="Make the chat")).to_be_visible()
    assert visitor.goto(f"/chat/{key}").status == 404
    assert visitor.goto("/chat/demo").status == 200  # as the start of a demo prints it
    ada.get_by_role("navigation", name="Breadcrumb").get_by_role("link", name="Inboxes").click()
    expect(ada.get_by_role("heading", name="Inboxes")).to_be_visible()


def test_a_change_shows_in_another_window_and_a_form_that_is_being_filled_in_stays(window):
    ada, other = window("ada", DEMO), window("ada", DEMO)
    ada.get_by_label("Greeting").fill("Good morning")
    ada.get_by_role("button", name="Save").click()
    expect(other.get_by_label("Greeting")).to_have_value("Good morning")
    ada.get_by_role("button", name="Make a secret").click()
    expect(other.get_by_text("Remove it…")).to_be_visible()
    # The window that shows it does not lose it as the event comes.
    expect(ada.get_by_role("textbox", name="The secret")).to_have_value(
        re.compile("^[0-9a-f]{64}$")
    )
    other.get_by_label("While no member is there").fill("At nine")
    ada.get_by_label("Greeting").fill("Good evening")
    ada.get_by_role("button", name="Save").click()
    expect(other.get_by_text("These settings were changed meanwhile.")).to_be_visible()
    expect(other.get_by_label("While no member is there")).to_have_value("At nine")
    other.get_by_role("link", name="Load them.").click()
    expect(other.get_by_label("Greeting")).to_have_value("Good evening")
    assert other.url.endswith(DEMO)


def test_a_refused_form_offers_what_was_changed_meanwhile(window):
    ada, other = window("ada", DEMO), window("ada", DEMO)
    ada.get_by_label("Origins").fill("shop.example")
    ada.get_by_role("button", name="Save").click()
    expect(ada.get_by_text("which must begin with https://")).to_be_visible()
    other.get_by_label("Greeting").fill("Changed meanwhile")
    other.get_by_role("button", name="Save").click()
    expect(other.get_by_label("Greeting")).to_have_value("Changed meanwhile")
    expect(ada.get_by_text("These settings were changed meanwhile.")).to_be_visible()
    expect(ada.get_by_label("Origins")).to_have_value("shop.example")
    ada.get_by_role("link", name="Load them.").click()
    expect(ada.get_by_label("Greeting")).to_have_value("Changed meanwhile")


def test_the_page_fits_a_phone_and_axe_finds_nothing(window, axe):
    ada = window("ada", OTHER, viewport=PHONE)
    main = ada.locator("main")
    long = "https://" + ".".join(["a" * 60] * 4) + ".example"

    def check(shown):
        expect(shown).to_be_visible()
        for summary in main.locator("details > summary").all():
            summary.evaluate("summary => summary.parentElement.open = true")
        assert ada.evaluate("document.documentElement.scrollWidth") == 390
        names = main.locator(":is(button, summary)").evaluate_all(
            "all => all.map((each) => each.textContent.trim().replace(/\\s+/g, ' '))"
        )
        assert len(names) == len(set(names)), names
        for scheme in ("light", "dark"):
            ada.emulate_media(color_scheme=scheme)
            assert complaints(ada, axe) == []

    check(ada.get_by_role("button", name="Make the chat"))
    ada.goto(DEMO)
    ada.get_by_label("Origins").fill(f"{long}\nhttps://shop.example")
    ada.get_by_role("button", name="Save").click()
    check(ada.get_by_text("It works on"))
    ada.get_by_role("button", name="Make a secret").click()
    check(ada.get_by_role("textbox", name="The secret"))
    ada.get_by_label("Origins").fill(f"https://{'x' * 100}/{'x' * 40}")
    ada.get_by_role("button", name="Save").click()
    check(main.locator(".problem"))
