"""The thread and its composer: sending, editing, drafts, and the scroll position."""

import re

from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import Route
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import BLANK
from .page import act
from .page import live

COMPOSER = "#composer textarea"


def scroll(page: Page, top: int) -> None:
    """Scroll the thread, and wait for the page's next frame: it is notified there, not before."""
    script = """(thread, top) => {
      thread.scrollTo(0, top);
      return new Promise(requestAnimationFrame);
    }"""
    page.locator("#thread-scroll").evaluate(script, top)


def test_a_sent_message_shows_at_once_shows_its_failure_and_arrives_once_when_retried(window):
    kevin = live(window("kevin", BLANK), "/conversations/2")
    held: list[Route] = []
    kevin.route("**/conversations/2/messages", lambda route: held.append(route))
    kevin.fill(COMPOSER, "On its way")
    kevin.keyboard.press("Enter")
    bubble = kevin.locator("#sending > .message")
    expect(bubble).to_contain_text("On its way")
    expect(bubble).to_contain_text("Sending…")
    expect(kevin.locator(COMPOSER)).to_have_value("")
    eventually(lambda: kevin.title() and held)
    held.pop().fulfill(status=422, json={"detail": "Not now."})
    expect(bubble).to_have_attribute("data-state", "failed")
    expect(bubble).to_contain_text("Not now.")
    kevin.reload()
    expect(bubble).to_contain_text("On its way")  # it outlives a reload
    kevin.unroute("**/conversations/2/messages")
    bubble.get_by_role("button", name="Try again").click()
    expect(kevin.locator("#messages")).to_contain_text("On its way")
    expect(bubble).to_have_count(0)
    kevin.reload()
    expect(kevin.locator("#messages .content", has_text="On its way")).to_have_count(1)
    expect(bubble).to_have_count(0)


def test_a_failed_message_can_be_discarded(window):
    kevin = live(window("kevin", BLANK), "/conversations/2")
    kevin.route("**/conversations/2/messages", lambda route: route.fulfill(status=403, json={}))
    kevin.fill(COMPOSER, "Never mind")
    kevin.keyboard.press("Enter")
    kevin.get_by_role("button", name="Discard").click()
    expect(kevin.locator("#sending > .message")).to_have_count(0)
    kevin.reload()
    expect(kevin.locator("body")).not_to_contain_text("Never mind")


def test_the_box_has_the_focus_after_sending_by_the_button(window):
    kevin = live(window("kevin", BLANK), "/conversations/2")
    kevin.fill(COMPOSER, "One")
    kevin.locator("#composer").get_by_role("button", name="Send").click()
    expect(kevin.locator(COMPOSER)).to_have_value("")
    kevin.keyboard.type("Two")
    expect(kevin.locator(COMPOSER)).to_have_value("Two")
    kevin.fill(COMPOSER, "")


def test_edits_and_deletions_show_in_other_windows_and_are_offered_for_own_messages_only(window):
    ada, kevin = (
        live(window("ada", BLANK), "/conversations/4"),
        live(window("kevin", BLANK), "/conversations/4"),
    )
    kevin.fill(COMPOSER, "A tpyo")
    kevin.keyboard.press("Enter")
    mine = kevin.locator("#messages > .message", has_text="A tpyo")
    mine.hover()
    mine.get_by_label("Edit or delete this message").click()
    mine.get_by_label("The message").fill("A typo")
    mine.get_by_role("button", name="Save").click()
    theirs = ada.locator("#messages > .message", has_text="A typo")
    expect(theirs).to_contain_text("edited")
    changed = kevin.locator("#messages > .message", has_text="A typo")
    id = changed.get_attribute("id")
    changed.hover()
    changed.get_by_label("Edit or delete this message").click()
    changed.get_by_role("button", name="Delete").click()
    changed.get_by_role("button", name="Delete for good?").click()
    gone = ada.locator(f"#{id}")
    expect(gone).to_contain_text("This message was deleted.")
    expect(gone).to_contain_text("Kevin")  # the author stays
    expect(gone).not_to_contain_text("edited")
    customers = kevin.locator("#messages > [data-type=incoming]").first
    expect(customers.locator(".change")).to_be_hidden()


def test_an_edit_by_another_shows_its_author_and_time_and_its_earlier_text_to_administrators(
    window, writer
):
    said = writer.say(4, "Nine days")
    ada, kevin = (
        live(window("ada", BLANK), "/conversations/4"),
        live(window("kevin", BLANK), "/conversations/4"),
    )
    act(ada, f"/messages/{said}", content="Six days")
    for page in (ada, kevin):
        edited = page.locator(f"#message-{said} .edited")
        expect(edited).to_contain_text("edited by Ada")
        expect(edited.locator("time")).to_have_attribute("title", re.compile(r"\d{4}"))
    expect(kevin.locator(f"#message-{said} .earlier")).to_be_hidden()
    ada.locator(f"#message-{said} .earlier").click()
    ada.wait_for_url(f"**/messages/{said}/revisions")
    expect(ada.locator("main")).to_contain_text("Nine days")
    ada.get_by_role("link", name="Back to the message").click()
    expect(ada.locator(f"#message-{said}")).to_contain_text("Six days")


def test_a_message_can_be_edited_without_javascript(window):
    kevin = window("kevin", java_script_enabled=False)
    kevin.goto("/conversations/4")
    kevin.fill(COMPOSER, "By a form")
    kevin.click("#composer .tools .primary")
    mine = kevin.locator("#messages > .message", has_text="By a form")
    kevin.goto(mine.locator(".change").get_attribute("href"))
    kevin.fill(COMPOSER, "Changed by a form")
    kevin.click("button:has-text('Save')")
    expect(kevin.locator("#messages")).to_contain_text("Changed by a form")


def test_a_draft_is_kept_per_conversation_as_a_private_note_or_a_reply(window):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    kevin.get_by_label("Private note").check()
    expect(kevin.locator(COMPOSER)).to_have_attribute("placeholder", "Write a note for your team…")
    kevin.fill(COMPOSER, "Only for us")
    kevin.goto("/conversations/2")
    expect(kevin.locator(COMPOSER)).to_have_value("")
    kevin.goto("/conversations/1")
    expect(kevin.locator(COMPOSER)).to_have_value("Only for us")
    expect(kevin.get_by_label("Private note")).to_be_checked()


def test_a_mention_completed_by_keyboard_in_a_note_notifies_the_agent(window):
    ada, kevin = (
        live(window("ada", BLANK), "/conversations/3"),
        live(window("kevin", BLANK), "/conversations/2"),
    )
    act(ada, "/accounts/1/alerts", alerts="mine")
    live(ada, "/conversations/3")
    text = kevin.locator(COMPOSER)
    text.press_sequentially("@a")
    expect(kevin.get_by_role("listbox")).to_be_hidden()  # no completion in a reply to the customer
    text.fill("")
    kevin.get_by_label("Private note").check()
    text.press_sequentially("Ask @a")
    expect(kevin.locator("#completions [role=option]")).to_have_text(["Ada"])
    kevin.keyboard.press("Tab")
    expect(text).to_have_value("Ask @Ada ")
    kevin.keyboard.press("Shift+Enter")
    kevin.keyboard.type("please")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#messages > [data-private=true]").last).to_contain_text("please")
    expect(ada.locator("#notification-count")).to_contain_text("1")
    expect(ada.locator("#notifications > li").first).to_contain_text("Kevin mentioned you")


def test_scrolling_up_loads_older_messages_and_a_new_one_below_does_not_move_the_view(
    window, writer
):
    for n in range(70):
        writer.say(6, f"Line {n}")
    kevin = live(window("kevin", BLANK), "/conversations/6")
    messages = kevin.locator("#messages > .message")
    assert messages.count() == 50
    scroll(kevin, -100_000)
    expect(messages).to_have_count(74)  # with the demo's four
    expect(kevin.locator("#thread-scroll .more")).to_have_count(0)
    texts = kevin.locator("#messages .content").all_text_contents()
    assert texts[-70:] == [f"Line {n}" for n in range(70)]
    # A new message below does not move the view, and is offered.
    scroll(kevin, -600)
    before = kevin.locator("#messages > .message", has_text="Line 55").bounding_box()
    act(kevin, "/conversations/6/messages", content="News from below")
    expect(kevin.locator("#newer")).to_contain_text("New messages")
    after = kevin.locator("#messages > .message", has_text="Line 55").bounding_box()
    assert abs(before["y"] - after["y"]) < 2
    kevin.locator("#newer").click()
    expect(kevin.get_by_text("News from below").last).to_be_in_viewport()
    expect(kevin.locator("#newer")).to_be_hidden()


def test_a_message_received_out_of_view_has_a_divider_and_is_read_once_in_view(window, writer):
    ids = [writer.say(3, f"Earlier {n}") for n in range(30)]
    ada = window("ada")
    act(ada, "/conversations/3/read", message_id=ids[-2])
    with ada.expect_request("**/conversations/3/read") as first:
        live(ada, "/conversations/3")
    assert first.value.post_data_json == {"message_id": ids[-1]}
    scroll(ada, -500)
    id = writer.say(3, "Came meanwhile")
    divider = ada.locator("#new-messages + .message")
    expect(divider).to_contain_text("Came meanwhile")
    with ada.expect_request("**/conversations/3/read") as second:
        ada.locator("#newer").click()
    assert second.value.post_data_json == {"message_id": id}
    writer.say(3, "And this")
    expect(ada.locator("#messages")).to_contain_text("And this")
    expect(ada.locator(".divider")).to_have_count(1)


def test_pages_of_older_messages_are_links_without_javascript_and_open_at_the_newest_with_it(
    window, writer
):
    for n in range(55):
        writer.say(5, f"Page {n}")
    kevin = window("kevin", java_script_enabled=False)
    kevin.goto("/conversations/5")
    kevin.click("#thread-scroll .more a")
    expect(kevin.locator("#messages")).not_to_contain_text("Page 54")
    older = kevin.url
    kevin.click("text=Newest messages")
    expect(kevin.locator("#messages")).to_contain_text("Page 54")
    script = window("kevin")
    script.goto(older)
    expect(script.locator("#messages")).to_contain_text("Page 54")


def test_a_message_that_is_edited_at_the_upper_edge_stays_in_sight_when_others_write(window, ada):
    long = "\n".join(f"Line {n}" for n in range(4))
    sent = ada.say(3, long)
    ada.say(3, "\n".join(f"And line {n}" for n in range(9)))
    page = live(window("ada", BLANK), "/conversations/3")
    page.set_viewport_size({"width": 390, "height": 640})
    message = page.locator(f"#message-{sent}")
    message.locator(".change").dispatch_event("click")
    edit = message.locator(".edit")
    expect(edit.locator("textarea")).to_be_focused()
    assert is_in_sight_from_its_top(page, edit)
    ada.say(3, "Written meanwhile")
    expect(page.locator("#messages")).to_contain_text("Written meanwhile")
    assert is_in_sight_from_its_top(page, edit)


def is_in_sight_from_its_top(page: Page, element: Locator) -> bool:
    top = page.locator("#thread-scroll").evaluate("e => e.getBoundingClientRect().top")
    return bool(
        eventually(lambda: element.evaluate("e => e.getBoundingClientRect().top") >= top - 1)
    )
