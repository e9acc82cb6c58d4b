"""A link to an old message opens there, and the messages up to the newest can be loaded."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import BLANK
from .page import act
from .page import live
from .test_inbox_thread import COMPOSER
from .test_inbox_thread import scroll
from .writer import Writer

MESSAGES = "#messages > .message"
SINCE = 130  # messages after the linked one: more than two pages


@pytest.fixture(scope="module")
def old(server):
    """The id of an old note in conversation 3 that mentions Kevin."""
    ada = Writer(server, "ada")
    id = ada.say(3, "@Kevin, this is the one", private=True)
    for n in range(SINCE):
        ada.say(3, f"Line {n}")
    ada.close()
    return id


@pytest.fixture
def kevin(window, old) -> Page:
    """Kevin's page after he has followed the link."""
    return live(window("kevin", BLANK), f"/conversations/3?message={old}#message-{old}")


def ids(page: Page) -> list[int]:
    found = page.locator(MESSAGES).evaluate_all("all => all.map(({id}) => Number(id.slice(8)))")
    assert found == sorted(set(found)), "a message is shown twice or out of order"
    return found


def scroll_until(page: Page, top: int, done) -> None:
    def is_done() -> bool:
        scroll(page, top)
        page.evaluate("() => new Promise(requestAnimationFrame)")
        return done()

    eventually(is_done)


def test_a_notification_opens_the_thread_with_its_message_in_view_and_marked(window, old):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    kevin.locator("#notifications-menu summary").click()
    kevin.locator("#notifications > li", has_text="mentioned you").locator("a").click()
    kevin.wait_for_url(f"**/conversations/3?message={old}#message-{old}")
    expect(kevin.locator("#live")).to_contain_text("Live")
    expect(kevin.locator(f"#message-{old}:target")).to_be_in_viewport()
    middle = kevin.locator(f"#message-{old}").bounding_box()["y"]
    assert 100 < middle < kevin.viewport_size["height"] - 200
    expect(kevin.locator("#messages").get_by_text(f"Line {SINCE - 1}", exact=True)).to_have_count(0)
    expect(kevin.locator("#newer")).to_contain_text("Jump to latest")


def test_a_new_message_below_a_linked_one_is_offered_and_shown_after_the_jump(kevin, writer, old):
    before = ids(kevin)
    said = writer.say(3, "Said while he read above")
    expect(kevin.locator("#newer")).to_contain_text("New messages")
    assert ids(kevin) == before, "the thread at an old message appended a new one"
    kevin.evaluate("window.notReloaded = true")
    kevin.locator("#newer").click()
    expect(kevin.locator(f"#message-{said}")).to_be_in_viewport()
    expect(kevin.locator("#newer")).to_be_hidden()
    assert kevin.evaluate("window.notReloaded")
    assert kevin.url.endswith("/conversations/3"), "the URL still has the old message"
    said = writer.say(3, "And this is live")
    expect(kevin.locator(f"#message-{said}")).to_be_in_viewport()
    assert ids(kevin)[0] > old
    scroll_until(kevin, -100_000, lambda: kevin.locator(f"#message-{old}").count() == 1)
    assert ids(kevin)[-1] == said


def test_scrolling_down_from_a_linked_message_reaches_the_newest_while_more_are_written(
    kevin, writer, old
):
    first = ids(kevin)[0]
    writer.keep_saying([3], every=0.1)
    scroll_until(kevin, 0, lambda: kevin.locator("#thread-scroll .later").count() == 0)
    expect(kevin.locator("#messages")).to_have_attribute("data-newest", "true")
    writer.stop()
    said = writer.say(3, "The last one")
    expect(kevin.locator(f"#message-{said}")).to_have_count(1)
    assert ids(kevin) == [first, *writer.messages_after(3, first)]


def test_loading_later_messages_does_not_move_the_messages_in_view(kevin, old):
    last = ids(kevin)[-1]
    before = kevin.locator(f"#message-{old}").bounding_box()["y"]
    kevin.get_by_role("link", name="Later messages").evaluate("link => link.click()")
    eventually(lambda: ids(kevin)[-1] > last)
    assert abs(kevin.locator(f"#message-{old}").bounding_box()["y"] - before) < 2


def test_a_reply_sent_from_an_old_message_is_shown_at_the_end_of_the_thread(kevin):
    kevin.fill(COMPOSER, "An answer to the old one")
    kevin.keyboard.press("Enter")
    mine = kevin.locator(MESSAGES, has_text="An answer to the old one")
    expect(mine.last).to_be_in_viewport()
    expect(kevin.locator("#sending > li")).to_have_count(0)
    expect(mine).to_have_count(1)


def test_an_edit_received_while_an_older_page_loads_is_shown_on_that_page(window, old):
    ada, kevin = live(window("ada", BLANK), "/conversations/3"), window("kevin")
    held = []

    def hold(route):  # delivers the current page later
        held.append((route, route.fetch()))

    kevin.route("**/conversations/3?before=*", hold)
    live(kevin, "/conversations/3")
    scroll(kevin, -100_000)
    eventually(lambda: kevin.title() and held)
    line = next(id for id in range(old + 1, ids(kevin)[0])[::-1])
    act(ada, f"/messages/{line}", content="Edited on the way")
    newest = act(ada, "/conversations/3/messages", content="After the edit").json()["id"]
    expect(kevin.locator(f"#message-{newest}")).to_have_count(1)
    route, stale = held.pop()
    assert "Edited on the way" not in stale.text()
    route.fulfill(response=stale)
    expect(kevin.locator(f"#message-{line}")).to_contain_text("Edited on the way")


def test_a_link_to_an_old_message_works_without_javascript(window, old):
    kevin = window("kevin", java_script_enabled=False)
    kevin.goto(f"/conversations/3?message={old}#message-{old}")
    expect(kevin.locator(f"#message-{old}:target")).to_be_in_viewport()
    kevin.get_by_role("link", name="Later messages").click()
    expect(kevin.locator(f"#message-{old}")).to_have_count(0)
    kevin.get_by_role("link", name="Earlier messages").click()
    expect(kevin.locator(f"#message-{old}")).to_have_count(1)
    kevin.get_by_role("link", name="Newest messages").click()
    expect(kevin.locator(".later")).to_have_count(0)
