"""Lost connections: the inbox shows the state, reconnects, and has the state of a fresh load."""

import re

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.chromium import chromium_path
from ..harness.waiting import eventually
from .page import BLANK
from .page import live
from .proxy import RETRY_AFTER
from .writer import Writer
from .writer import open_streams

STATES = """
  window.states = [];
  new MutationObserver(() => {
    const state = document.getElementById("live")?.dataset.state;
    if (state && state !== states.at(-1)) states.push(state);
  }).observe(document, {subtree: true, childList: true, attributes: true});
"""


def shown(page: Page) -> list[int]:
    all_ids = "all => all.map(({id}) => Number(id.slice(8)))"
    return page.locator("#messages > .message").evaluate_all(all_ids)


def shows_what_a_fresh_load_shows(page: Page, writer: Writer, conversation: int) -> bool:
    ids = shown(page)
    return ids == [ids[0], *writer.messages_after(conversation, ids[0])]


def states(page: Page) -> list[str]:
    return page.evaluate("states")


def test_the_inbox_shows_offline_at_once_and_receives_missed_messages_once_online(
    window, server, ada
):
    kevin = window("kevin")
    kevin.context.add_init_script(STATES)
    live(kevin, "/conversations/3")
    kevin.context.set_offline(True)
    expect(kevin.locator("#live")).to_contain_text("Offline")
    kevin.evaluate(
        "document.dispatchEvent(new Event('freeze'))"
    )  # going offline does not close an open connection
    eventually(lambda: open_streams(server) == 0)
    kevin.evaluate("document.dispatchEvent(new Event('resume'))")
    said = ada.say(3, "Said to nobody")
    expect(kevin.locator(f"#message-{said}")).to_have_count(0)
    assert states(kevin) == ["connecting", "live", "offline"]
    kevin.context.set_offline(False)
    expect(kevin.locator("#live")).to_contain_text("Live")
    expect(kevin.locator(f"#message-{said}")).to_be_visible()
    assert shows_what_a_fresh_load_shows(kevin, ada, 3)


def test_a_stream_refused_with_429_is_retried_after_the_servers_retry_after(window, proxy, ada):
    kevin = live(window("kevin", base_url=proxy.address), "/conversations/4")
    proxy.mode = "limit"
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    said = ada.say(4, "Said while there was no room")
    eventually(lambda: [method for _, method in proxy.asked][-1] == "HEAD")
    refused = len(proxy.asked)
    eventually(lambda: len(proxy.asked) > refused)
    waited = proxy.asked[refused][0] - proxy.asked[refused - 1][0]
    assert RETRY_AFTER <= waited < RETRY_AFTER + 2
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    proxy.mode = "pass"
    expect(kevin.locator("#live")).to_contain_text("Live")
    expect(kevin.locator(f"#message-{said}")).to_be_visible()


def test_the_inbox_does_not_flicker_while_a_proxy_cuts_each_stream_after_its_opening(
    window, proxy, ada
):
    kevin = window("kevin", base_url=proxy.address)
    kevin.context.add_init_script(STATES)
    live(kevin, "/conversations/5")
    proxy.mode = "snap"
    proxy.cut()
    asked = proxy.streams
    eventually(lambda: proxy.streams >= asked + 5, "the page opens five more streams")
    said = ada.say(5, "Said while the streams were cut")
    proxy.mode = "pass"
    expect(kevin.locator(f"#message-{said}")).to_be_visible()
    expect(kevin.locator("#live")).to_contain_text("Live")
    assert states(kevin)[:3] == ["connecting", "live", "reconnecting"]
    assert states(kevin)[-1] == "live"
    assert states(kevin).count("live") <= 4, "once for each of the five streams"
    assert shows_what_a_fresh_load_shows(kevin, ada, 5)


def test_a_reset_refreshes_every_tab_of_the_browser_and_reloads_none(window, restartable, ada):
    """Kevin gains an inbox: no event contains its existing conversations."""
    pages = [window("kevin")]
    pages += [pages[0].context.new_page() for _ in range(2)]
    for page, path in zip(
        pages, ("/conversations/1", "/conversations/2", "/accounts/1/conversations"), strict=True
    ):
        live(page, path)
        expect(page.locator("#conversation-7")).to_have_count(0)
        page.evaluate("window.notReloaded = true")
    restartable.flask("inbox", "add", "2", "kevin@example.com")
    for page in pages:
        expect(page.locator("#conversation-7")).to_be_visible()
        assert page.evaluate("window.notReloaded")
        expect(page.locator("#live")).to_contain_text("Live")
    ada.say(7, "And it is live")
    fresh = live(pages[0].context.new_page(), "/accounts/1/conversations")
    rows = """rows => rows.map((row) => [row.id, row.dataset.version,
        ...[".who", ".preview", ".badge"].map((part) => row.querySelector(part).textContent)])"""
    expected = fresh.locator("#conversations > .row").evaluate_all(rows)
    assert "And it is live" in str(expected)
    for page in pages:
        eventually(
            lambda page=page: page.locator("#conversations > .row").evaluate_all(rows) == expected,
            what="the list equals a fresh load",
        )


@pytest.fixture
def cached(chromium, server):
    """A browser with the back/forward cache, which Playwright's browsers have off by default."""
    browser = chromium.browser_type.launch(
        executable_path=chromium_path(whole=True),
        args=["--no-sandbox", "--disable-gpu"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context = browser.new_context(base_url=server)
    asked = {"email": "kevin@example.com", "password": "password"}
    assert context.request.post("/login", data=asked).ok
    yield context
    browser.close()


def test_a_thread_restored_from_the_back_forward_cache_receives_missed_messages(cached, ada):
    page = live(cached.new_page(), "/conversations/5?status=any")
    page.goto("/conversations/6?status=any")
    expect(page.locator("#live")).to_contain_text("Live")
    for path, conversation in (("5", 5), ("6", 6), ("5", 5)):
        said = ada.say(conversation, "Said while it was away")
        page.go_forward(wait_until="commit") if path == "6" else page.go_back(wait_until="commit")
        expect(page).to_have_url(
            re.compile(rf"/conversations/{path}\?status=any$")
        )  # a cached page fires no load event
        expect(page.locator(f"#message-{said}")).to_be_visible()
        expect(page.locator("#live")).to_contain_text("Live")
        assert shows_what_a_fresh_load_shows(page, ada, conversation)


def test_losing_access_takes_the_thread_away_and_removes_the_row_from_the_list(window, restartable):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    other = live(kevin.context.new_page(), "/accounts/1/conversations")
    expect(other.locator("#conversation-1")).to_be_visible()
    restartable.flask("inbox", "remove", "1", "kevin@example.com")
    expect(kevin.locator("#thread")).to_contain_text("This conversation is no longer here")
    expect(other.locator("#conversation-1")).to_have_count(0)
    expect(other.locator("#live")).to_contain_text("Live")
