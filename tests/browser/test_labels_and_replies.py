"""Labels and canned replies in the page."""

import re

from playwright.sync_api import expect

from ..harness.waiting import eventually
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


def box(page):
    return page.get_by_label("Your message")


def options(page):
    return page.locator("#completions [role=option]")


def test_a_canned_reply_is_found_by_keys_or_pointer_and_inserted_with_its_variables(window, ada):
    ada.post(
        "/accounts/1/canned-replies", shortcut="order", content="Order {{order.id}}: {{agent.name}}"
    )
    kevin = live(window("kevin", BLANK), "/conversations/3")
    requests = []
    kevin.on("request", lambda request: requests.append(request.url))
    # Enter while the replies are being loaded does not send the shortcut.
    kevin.route(
        "**/canned-replies", lambda route: route.fallback() if loaded else held.append(route)
    )
    loaded, held = [], []
    box(kevin).press_sequentially("/hel")
    expect(kevin.locator("#completions")).to_have_text("Loading…")
    kevin.keyboard.press("Enter")
    expect(box(kevin)).to_have_value("/hel")
    eventually(lambda: kevin.title() and held, "the replies are asked for")
    loaded.append(True)
    held[0].continue_()
    expect(options(kevin)).to_have_count(1)
    expect(options(kevin)).to_contain_text("/hello Hello Yuki,")
    kevin.keyboard.press("Enter")
    expect(box(kevin)).to_have_value(
        "Hello Yuki,\n\nthank you for writing to us. I'll look into it."
    )
    expect(kevin.locator("#completions")).to_be_hidden()
    # By arrows and Tab, after white space, found by a word of its text; no second request.
    box(kevin).fill("")
    box(kevin).press_sequentially("Well, /")
    expect(options(kevin)).to_have_count(4)
    kevin.keyboard.press("ArrowUp")
    expect(kevin.locator("#completions [aria-selected=true]")).to_contain_text("/sorry")
    kevin.keyboard.press("Tab")
    expect(box(kevin)).to_have_value("Well, I'm sorry about that, Yuki. I have asked the courier.")
    assert sum("canned-replies" in url for url in requests) == 1
    # Escape leaves the text, and Enter sends it then.
    box(kevin).fill("")
    box(kevin).press_sequentially("/hel")
    kevin.keyboard.press("Escape")
    expect(kevin.locator("#completions")).to_be_hidden()
    expect(box(kevin)).to_have_value("/hel")
    # By the pointer, in a note; what nothing is known for is selected and named.
    kevin.get_by_label("Private note").click()
    box(kevin).press_sequentially("/ord")
    options(kevin).first.click()
    expect(box(kevin)).to_have_value("Order {{order.id}}: Kevin")
    expect(kevin.locator("#composer-problem")).to_contain_text("{{order.id}}")
    kevin.keyboard.type("#10482")
    expect(box(kevin)).to_have_value("Order #10482: Kevin")
    expect(kevin.locator("#composer-problem")).to_have_text("")
    # Mentions have the same list, in notes only.
    kevin.keyboard.press("End")
    box(kevin).press_sequentially(" @Ad")
    expect(options(kevin)).to_have_text(["Ada"])
    kevin.keyboard.press("Enter")
    expect(box(kevin)).to_have_value("Order #10482: Kevin @Ada ")


def test_canned_replies_are_managed_without_javascript(window):
    kevin = window("kevin", "/accounts/1/conversations", java_script_enabled=False)
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("link", name="Canned replies").click()
    form = kevin.locator("form", has_text="Add the reply")
    form.get_by_label("Shortcut").fill("hello")
    form.get_by_label("Text").fill("Written here")
    form.get_by_role("button").click()
    expect(kevin.get_by_text("It is the shortcut of another canned reply.")).to_be_visible()
    expect(form.get_by_label("Text")).to_have_value("Written here")
    form.get_by_label("Shortcut").fill("new")
    form.get_by_role("button").click()
    row = kevin.locator(".managed > li", has_text="/new")
    row.get_by_text("Change").click()
    row.get_by_text("Delete it…").click()
    row.get_by_role("button", name="Delete new").click()
    expect(row).to_have_count(0)


def test_a_canned_reply_shows_in_a_colleagues_open_page_and_what_is_being_written_there_stays(
    window, ada
):
    kevin = window("kevin", "/accounts/1/canned-replies")
    expect(kevin.locator(".managed > li").first).to_be_visible()
    ada.post("/accounts/1/canned-replies", shortcut="from-ada", content="Made elsewhere")
    expect(kevin.locator(".managed > li", has_text="/from-ada")).to_be_visible()
    form = kevin.locator("form", has_text="Add the reply")
    form.get_by_label("Text").fill("Half a reply")
    ada.post("/accounts/1/canned-replies", shortcut="another", content="Made meanwhile")
    expect(kevin.get_by_text("These settings were changed meanwhile.")).to_be_visible()
    expect(form.get_by_label("Text")).to_have_value("Half a reply")
