"""The tabs of a browser share one connection; when one ends, the others lose no message."""

import json
import random
import time
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from ..harness.chromium import chromium_path
from ..harness.waiting import eventually
from .writer import open_streams

TAB = (Path(__file__).parent / "tab.html").read_text()
ADA = 1
# Hung tabs are replaced after 0.1 heartbeats (1.5 s) of silence; the tests write more often.
IMPATIENT = {"patience": 0.1, "grace": 300}


@pytest.fixture
def browser(window, server):
    """`browser(conversation)` opens a tab of Ada's browser."""
    eventually(lambda: open_streams(server) == 0)
    context = window("ada").context
    context.route("**/tab.html?*", lambda route: route.fulfill(body=TAB, content_type="text/html"))
    context.pages[0].goto("about:blank")

    def open_tab(conversation: int, user: int | None = ADA, live: bool = True, **options):
        page = context.new_page()
        asked = {"conversation": conversation, "options": json.dumps(options)}
        page.goto("/tab.html?" + urlencode(asked | ({"user": user} if user else {})))
        if live:
            expect(page.locator("#state")).to_have_text("live")
        return page

    return open_tab


@pytest.fixture
def cached(chromium):
    """A browser with the back/forward cache, which Playwright's browsers have off by default."""
    browser = chromium.browser_type.launch(
        executable_path=chromium_path(whole=True),
        args=["--no-sandbox", "--disable-gpu"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    yield browser
    browser.close()


def shows_what_a_fresh_load_shows(page, writer, conversation: int) -> bool:
    shown = page.evaluate("tab.messages")
    return shown == [shown[0], *writer.messages_after(conversation, shown[0])]


def test_nine_tabs_of_a_browser_are_live_on_one_connection(browser, server, writer):
    tabs = [(browser(conversation), conversation) for conversation in (1, 2, 3) * 3]
    assert open_streams(server) == 1
    said = {conversation: writer.say(conversation) for conversation in (1, 2, 3)}
    for page, conversation in tabs:
        page.wait_for_function("id => tab.messages.at(-1) === id", arg=said[conversation])
    for page, conversation in tabs:
        assert shows_what_a_fresh_load_shows(page, writer, conversation)
        assert page.evaluate("tab.states") == ["live"]
    assert open_streams(server) == 1


def test_tabs_with_sharing_off_have_one_connection_each(browser, server):
    for _ in range(2):
        browser(1, share=False)
    assert open_streams(server) == 2


def test_a_tab_rendered_for_another_user_is_rejected_and_does_not_share_the_connection(
    browser, server
):
    """As after signing in as another user: a page of the previous user must not be live."""
    browser(1)
    other = browser(1, user=ADA + 1, live=False)
    expect(other.locator("#state")).to_have_text("closed")
    assert other.evaluate("tab.rejected") == [["account", 401], ["conversation", 401]]
    assert open_streams(server) == 1


def test_another_tab_takes_over_without_a_loss_when_the_leading_tab_closes(browser, server, writer):
    tabs = [browser(1) for _ in range(3)]
    writer.keep_saying([1], every=0.01, most=200)
    while len(tabs) > 1:
        heard = tabs[0].evaluate("tab.messages.length")
        tabs[0].wait_for_function("heard => tab.messages.length > heard + 10", arg=heard)
        tabs.pop(0).close()
    eventually(lambda: not writer.is_at_work)
    eventually(lambda: shows_what_a_fresh_load_shows(tabs[0], writer, 1))
    assert tabs[0].evaluate("tab.states") == ["live"], "the tab was not live all the time"
    assert tabs[0].evaluate("tab.resets") == 0
    assert open_streams(server) == 1


def test_another_tab_takes_over_when_the_leading_tab_hangs(browser, server, writer):
    leader, follower = browser(1, **IMPATIENT), browser(1, **IMPATIENT)
    writer.keep_saying([1], every=0.1)
    leader.evaluate(
        "setTimeout(() => { for (const end = Date.now() + 15000; Date.now() < end; ); })"
    )
    hung_at = time.monotonic()
    time_of_last = "window.since = performance.now(), tab.messages.length"
    heard = follower.evaluate(time_of_last)
    follower.wait_for_function(
        "heard => tab.messages.length > heard + 20", arg=heard, timeout=14_000
    )
    assert time.monotonic() - hung_at < 15, (
        "the follower received messages only after the leader's hang"
    )
    leader.wait_for_function("performance.now() > 0")  # once it responds again
    writer.stop()
    for page in (leader, follower):
        eventually(lambda page=page: shows_what_a_fresh_load_shows(page, writer, 1))
    eventually(lambda: open_streams(server) == 1)


def test_a_page_restored_from_the_back_forward_cache_receives_missed_messages(
    cached, server, writer
):
    page = cached.new_page(base_url=server)
    asked = {"email": "ada@example.com", "password": "password"}
    assert page.request.post("/login", data=asked).ok
    page.route("**/tab.html?*", lambda route: route.fulfill(body=TAB, content_type="text/html"))
    page.goto(f"/tab.html?user={ADA}&conversation=1")
    expect(page.locator("#state")).to_have_text("live")
    page.evaluate("window.kept = true")
    page.goto("/healthz")
    eventually(lambda: open_streams(server) == 0)
    said = writer.say(1)
    page.go_back(wait_until="commit")  # a cached page does not load
    assert page.evaluate("window.kept"), "the page was reloaded, not restored"
    page.wait_for_function("id => tab.messages.at(-1) === id", arg=said)


def test_a_refused_stream_is_reported_to_its_tab_only(browser, server, writer):
    good = browser(1)
    bad = browser(1)
    bad.evaluate("""() => {
        tab.refused = [];
        tab.connector.subscribe("conversation:999", {onRejected: (why) => tab.refused.push(why)});
    }""")
    bad.wait_for_function("tab.refused.length === 1")
    assert bad.evaluate("tab.refused") == [{"status": 404, "reason": "forbidden"}]
    said = writer.say(1)
    for page in (good, bad):
        page.wait_for_function("id => tab.messages.at(-1) === id", arg=said)
        assert page.evaluate("tab.rejected") == []
    assert open_streams(server) == 1


@pytest.mark.timeout(300)  # it took up to 69 s on a machine with a load of 11
def test_tabs_that_open_and_close_at_random_lose_none_of_a_thousand_events(browser, server, writer):
    """Each message is two events: one in its thread, one in the list of conversations."""
    chance = random.Random(6)
    tabs = [(browser(conversation), conversation) for conversation in (1, 2, 3)]
    opened = closed = 0
    writer.keep_saying([1, 2, 3], every=0.004, most=500)
    while writer.is_at_work:
        if len(tabs) < 3 or (len(tabs) < 9 and chance.random() < 0.5):
            conversation = chance.choice((1, 2, 3))
            tabs.append((browser(conversation, live=chance.random() < 0.5), conversation))
            opened += 1
        else:
            page, _ = tabs.pop(chance.choice((0, chance.randrange(len(tabs)))))
            page.close(run_before_unload=False)
            closed += 1
    assert opened > 5
    assert closed > 5, "the tabs did not change during the writing"
    versions = writer.versions()
    for page, conversation in tabs:
        page.wait_for_function("window.tab?.states.at(-1) === 'live'")
        eventually(
            lambda page=page, conversation=conversation: shows_what_a_fresh_load_shows(
                page, writer, conversation
            )
        )
        eventually(
            lambda page=page: page.evaluate("tab.versions").items() <= versions.items(),
            what="the list's versions are current",
        )
        assert page.evaluate("tab.resets") == 0
        assert page.evaluate("tab.states") == ["live"]
    assert any(page.evaluate("tab.versions") for page, _ in tabs)
    eventually(lambda: open_streams(server) == 1)
    print(f"\n1000 events, {opened} tabs opened, {closed} closed, {len(tabs)} left")
