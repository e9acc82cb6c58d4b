"""The page's badges, days and times, connection state, and announcements to screen readers."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
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


def test_unread_badges_of_rows_and_views_disappear_when_read_in_another_tab(window, restartable):
    ada = live(window("ada", BLANK), "/conversations/3")
    other = live(ada.context.new_page(), "/accounts/1/conversations")
    for page in (ada, other):
        expect(badge(page, "#conversation-3")).to_be_hidden()  # it is open in a tab
    before = badge(other, ".views li:has-text('All')").text_content()
    act(ada, "/conversations/2/status", status="open")
    token = restartable.flask("token", "visitor", "tom.okafor@example.com")
    for _ in range(2):
        restartable.post(token, "/conversations/2/messages", content="Somebody should read this")
    expect(badge(other, "#conversation-2")).to_contain_text("3")  # with the first question
    expect(other.locator("#conversation-2")).to_have_attribute("data-unread", "")
    ada.locator("#conversation-2 a").click()
    expect(badge(other, "#conversation-2")).to_be_hidden()
    expect(other.locator("#conversation-2")).not_to_have_attribute("data-unread", "")
    expect(badge(other, ".views li:has-text('All')")).not_to_have_text(before)


def test_days_groups_and_relative_times_are_shown_and_updated(window, writer):
    kevin = window("kevin")
    kevin.clock.install()
    live(kevin, "/conversations/6?status=any")
    days = kevin.locator("#messages > .day")
    expect(days.last).not_to_have_text("Today")  # its messages are of 25 hours ago
    before = days.count()  # two, if midnight was among them
    first = writer.say(6, "A word")
    second = writer.say(6, "and another")
    expect(days).to_have_count(before + 1)
    expect(days.last).to_have_text("Today")
    expect(kevin.locator(f"#message-{first}")).not_to_have_attribute("data-continues", "")
    expect(kevin.locator(f"#message-{second}")).to_have_attribute("data-continues", "")
    time = kevin.locator("#conversation-6 time")
    expect(time).to_have_text("now")
    kevin.clock.fast_forward("05:00")
    expect(time).to_have_text("5 min")
    kevin.clock.fast_forward("24:00:00")
    expect(days.last).to_have_text("Yesterday")


def test_the_page_shows_the_lag_of_a_server_that_is_behind(window):
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


def test_a_page_signed_out_in_another_tab_shows_it_and_links_to_the_login(window):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    other = live(kevin.context.new_page(), "/accounts/1/conversations")
    other.locator("#me-menu summary").click()
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/login")
    expect(kevin.locator("#live")).to_contain_text("Signed out")
    kevin.get_by_role("link", name="Sign in").click()
    kevin.wait_for_url("**/login?next=*conversations*1")


def test_older_messages_and_ticking_times_are_not_announced_to_screen_readers(window, writer):
    for n in range(60):
        writer.say(4, f"Line {n}")
    kevin = live(window("kevin", BLANK), "/conversations/4")
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


def test_the_modules_add_nothing_to_the_global_scope(window):
    added = window("kevin").evaluate("""async () => {
      const before = new Set(Reflect.ownKeys(globalThis));
      const {connect} = await import("/static/js/connector/connector.js");
      connect({account: 1, user: 2}).subscribe("account:1", {});
      return [typeof connect, ...Reflect.ownKeys(globalThis).filter((key) => !before.has(key))];
    }""")
    assert added == ["function"]


def test_the_field_for_another_snooze_shows_its_time_at_every_width(window):
    kevin = live(window("kevin", BLANK), "/conversations/2?status=any")
    for width in (320, 390, 760, 1280):
        kevin.set_viewport_size({"width": width, "height": 700})
        kevin.locator("#status-menu").evaluate("menu => (menu.open = true)")
        field = kevin.locator("#snooze-until input")
        expect(field).to_be_visible()  # the first opening loads the script that shows it
        place = field.bounding_box()
        assert place["width"] >= 190, f"cut at {width} px"
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width


def test_an_entry_that_names_another_day_stands_on_the_day_it_was_made(window, ada):
    until = datetime.now(UTC) + timedelta(days=200)
    ada.post("/conversations/8/status", status="snoozed", snoozed_until=until.isoformat())
    page = live(window("ada", BLANK), "/conversations/8?status=any")
    entry = page.locator("#messages > .message").last
    expect(entry).to_contain_text("snoozed this until")
    expect(entry.locator("time")).to_have_count(2)
    expect(page.locator("#messages > .day").last).to_have_text("Today")
    ada.post("/conversations/8/status", status="open")
