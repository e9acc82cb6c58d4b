"""What the page shows of what it knows: numbers, days and times, its own state; and to whom."""

from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import act
from .page import live
from .test_inbox_connection import STATES

BEHIND = """retry: 60000

event: stream.open
data: {"streams": [], "resumed": true, "heartbeat": 15, "id": "x-1-0"}

event: stream.ping
data: {"lag": 7.2}

"""


def badge(page: Page, place: str):
    return page.locator(f"{place} .badge")


def test_unread_numbers_come_on_rows_and_views_and_go_when_it_is_read_in_another_tab(
    window, writer
):
    ada = live(window("ada"), "/conversations/3")
    other = live(ada.context.new_page(), "/accounts/1/conversations")
    for page in (ada, other):
        expect(badge(page, "#conversation-3")).to_be_hidden()  # it is looked at
    before = badge(other, ".views li:has-text('All')").text_content()
    act(ada, "/conversations/2/status", status="open")
    for _ in range(2):
        writer.say(2, "Somebody should read this")
    expect(badge(other, "#conversation-2")).to_contain_text("3")  # and what the customer asked
    expect(other.locator("#conversation-2")).to_have_attribute("data-unread", "")
    ada.locator("#conversation-2 a").click()
    expect(badge(other, "#conversation-2")).to_be_hidden()
    expect(other.locator("#conversation-2")).not_to_have_attribute("data-unread", "")
    expect(badge(other, ".views li:has-text('All')")).not_to_have_text(before)


def test_days_groups_and_times_are_shown_and_move_on(window, writer):
    kevin = window("kevin")
    kevin.clock.install()
    live(kevin, "/conversations/6")
    days = kevin.locator("#messages > .day")
    expect(days).to_have_count(1)
    first = writer.say(6, "A word")
    second = writer.say(6, "and another")
    expect(days).to_have_count(2)
    expect(days.last).to_have_text("Today")
    expect(kevin.locator(f"#message-{first}")).not_to_have_attribute("data-continues", "")
    expect(kevin.locator(f"#message-{second}")).to_have_attribute("data-continues", "")
    time = kevin.locator("#conversation-6 time")
    expect(time).to_have_text("now")
    kevin.clock.fast_forward("05:00")
    expect(time).to_have_text("5 min")
    kevin.clock.fast_forward("24:00:00")
    expect(days.last).to_have_text("Yesterday")


def test_a_server_that_is_behind_is_said_to_be_by_how_much(window):
    kevin = window("kevin")
    kevin.add_init_script(STATES)
    kevin.add_init_script("""
      window.words = [];
      new MutationObserver(() => {
        const text = document.getElementById("live")?.innerText.replace(/\\s+/g, " ").trim();
        if (text && text !== words.at(-1)) words.push(text);
      }).observe(document, {subtree: true, childList: true, characterData: true});
    """)
    kevin.route(
        "**/streams?*",
        lambda route: route.fulfill(body=BEHIND, content_type="text/event-stream"),
    )
    kevin.goto("/conversations/1")
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    assert kevin.evaluate("states") == ["connecting", "live", "late", "reconnecting"]
    assert "Behind by 7 s" in kevin.evaluate("words")


def test_who_is_signed_out_elsewhere_is_told_and_led_back(window):
    kevin = live(window("kevin"), "/conversations/1")
    other = live(kevin.context.new_page(), "/accounts/1/conversations")
    other.locator("#me-menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/login")
    expect(kevin.locator("#live")).to_contain_text("Signed out")
    kevin.get_by_role("link", name="Sign in").click()
    kevin.wait_for_url("**/login?next=*conversations*1")


def test_what_is_old_or_ticks_is_not_read_out(window, writer):
    for n in range(60):
        writer.say(4, f"Line {n}")
    kevin = live(window("kevin"), "/conversations/4")
    kevin.evaluate("""() => {
      window.live = [];
      const log = document.getElementById("thread-scroll");
      new MutationObserver((changes) => live.push(
        ...changes.flatMap(({addedNodes}) => [...addedNodes])
          .filter((node) => node.matches?.(".message")).map(() => log.ariaLive)
      )).observe(document.getElementById("messages"), {childList: true});
    }""")
    kevin.locator("#thread-scroll").evaluate("thread => thread.scrollTo(0, -100000)")
    expect(kevin.locator("#thread-scroll > .column > .more")).to_have_count(0)
    loaded = kevin.evaluate("live")
    assert len(loaded) > 5
    assert set(loaded) == {"off"}
    expect(kevin.locator("#thread-scroll")).not_to_have_attribute("aria-live", "off")
    said = writer.say(4, "But this is")
    expect(kevin.locator(f"#message-{said}")).to_be_attached()
    assert kevin.evaluate("live.at(-1)") is None
    expect(kevin.locator("#live [role=status]")).to_have_text("Live")
    expect(kevin.locator("#live [data-more]")).to_have_attribute("aria-hidden", "true")


def test_the_modules_leave_nothing_in_the_global_scope(window):
    added = window("kevin").evaluate("""async () => {
      const before = new Set(Reflect.ownKeys(globalThis));
      const {connect} = await import("/static/js/connector/connector.js");
      connect({account: 1, user: 2}).subscribe("account:1", {});
      return [typeof connect, ...Reflect.ownKeys(globalThis).filter((key) => !before.has(key))];
    }""")
    assert added == ["function"]
