"""Messages as HTML: the same by a stream as on the page; quoting, and links to messages."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live
from .test_inbox_thread import COMPOSER
from .test_inbox_thread import scroll

SOURCE = (
    "**Order** _4711_, `a  b` at https://shop.example/o?n=1.\n"
    "> quoted\nanswered\n\n\n- one\n- two\n```py\nx  = 1\n```\n<b>2 * 3 * 4</b>"
)
CUT = f"**Long** *{'ä' * 4_900}*\n- one\n*{'ä' * 4_900}* end"  # over 16 KiB


def message(page: Page, id: int):
    return page.locator(f"#message-{id}")


def content(page: Page, id: int) -> str:
    return message(page, id).locator(".content").inner_html()


@pytest.mark.parametrize("source", [SOURCE, CUT], ids=["short", "cut in its event"])
def test_a_message_is_rendered_by_the_stream_as_after_a_reload(window, writer, source):
    reports: list[str] = []
    ada = window("ada", BLANK)
    ada.on("console", lambda report: reports.append(report.text))
    live(ada, "/conversations/2")
    id = writer.say(2, source)
    expect(message(ada, id).locator("strong")).to_have_count(1)
    expect(message(ada, id)).not_to_have_attribute("data-truncated", "true")
    by_stream = content(ada, id)
    live(ada, "/conversations/2")
    assert content(ada, id) == by_stream
    assert "<li>" in by_stream
    assert message(ada, id).locator(".content").text_content().endswith(source[-3:])
    assert [text for text in reports if "Content Security Policy" in text] == []


def test_a_list_of_conversations_shows_the_source_of_the_last_message(window, writer):
    ada = live(window("ada", BLANK), "/conversations/2")
    writer.say(2, "**Not** `rendered`")
    expect(ada.locator("#conversation-2 .preview")).to_contain_text("**Not** `rendered`")
    expect(ada.locator("#conversation-2 .preview strong")).to_have_count(0)


def test_a_message_is_quoted_by_its_source_into_what_is_being_written_which_is_kept(window, writer):
    id = writer.say(1, "**Two** lines\n\nof it")
    ada = live(window("ada", BLANK), "/conversations/1")
    ada.fill(COMPOSER, "Before. After.")
    ada.locator(COMPOSER).evaluate("(text) => text.setSelectionRange(7, 7)")
    quote = message(ada, id).get_by_role("button", name="Quote this message")
    quote.focus()
    ada.keyboard.press("Enter")
    quoted = "> **Two** lines\n> \n> of it\n\n"
    expect(ada.locator(COMPOSER)).to_have_value(f"Before.\n{quoted} After.")
    expect(ada.locator(COMPOSER)).to_be_focused()
    ada.reload()
    expect(ada.locator(COMPOSER)).to_have_value(f"Before.\n{quoted} After.")
    ada.get_by_label("Private note").check()
    quote.click()
    expect(ada.locator(COMPOSER)).to_have_value(quoted)
    ada.keyboard.type("Seen")
    expect(ada.locator(COMPOSER)).to_have_value(f"{quoted}Seen")
    ada.keyboard.press("Enter")
    expect(ada.locator("#messages > [data-private=true] blockquote strong")).to_have_text("Two")


def test_a_quote_that_can_not_be_fetched_changes_nothing_and_an_alert_shows_it(window, writer):
    id = writer.say(1, "Unreachable")
    ada = live(window("ada", BLANK), "/conversations/1")
    ada.fill(COMPOSER, "Kept")
    ada.route("**/conversations/1/messages?*", lambda route: route.abort())
    message(ada, id).hover()
    message(ada, id).locator(".quote").click()
    expect(ada.locator("#toast")).to_contain_text("could not be quoted")
    expect(ada.locator(COMPOSER)).to_have_value("Kept")


def test_the_time_of_a_message_links_to_it_and_the_id_behind_the_hash_is_enough(window, writer):
    first = writer.say(4, "The linked one")
    for n in range(60):
        writer.say(4, f"Line {n}")
    ada = live(window("ada", BLANK), "/conversations/4")
    expect(message(ada, first)).to_have_count(0)
    scroll(ada, -100_000)
    message(ada, first).locator(".permalink").click()
    ada.wait_for_url(f"**/conversations/4?message={first}#message-{first}")
    expect(ada.locator(f"#message-{first}:target")).to_be_in_viewport()
    ada.goto(BLANK)
    ada.goto(f"/conversations/4#message-{first}")
    expect(ada.locator(f"#message-{first}:target")).to_be_in_viewport()
    ada.goto(BLANK)
    live(ada, "/conversations/4#message-999999999")  # and one that is not there ends
    expect(ada.locator("#messages > .message").first).to_be_attached()


def test_a_long_address_and_code_stay_inside_a_phones_bubble(window):
    ada = live(window("ada", BLANK, viewport={"width": 390, "height": 800}), "/conversations/2")
    act(
        ada,
        "/conversations/2/messages",
        content=f"https://a.example/{'long' * 99}\n```\n{'x' * 400}\n```",
    )
    expect(ada.locator("#messages pre").last).to_be_visible()
    assert ada.evaluate("document.documentElement.scrollWidth") == 390
    bubble = ada.locator("#messages > .message .bubble").last
    assert bubble.evaluate("(bubble) => bubble.scrollWidth <= bubble.clientWidth")
