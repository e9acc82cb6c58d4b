"""What the page does behind proxies that meddle with streams; docs/proxies.md has the table."""

import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from . import between

DOCUMENT = Path(__file__).parents[2] / "docs/proxies.md"
TAB = (Path(__file__).parent / "tab.html").read_text()
VISITOR = (Path(__file__).parent / "visitor.html").read_text()
THREAD = "/conversations/1"
MESSAGES = 1_000 if os.environ.get("RTAPP_SOAK") else 100
DETECTED = 10  # s in which the page is live behind a proxy that holds responses back


class Outcome(NamedTuple):
    """What is seen behind a proxy: by the page, by its connector, and with a bare EventSource."""

    page: str  # its state
    bare: str  # "live", "nothing" until the response ends, or "gives up"
    waiting: str = "live"  # the same EventSource with `wait`


OUTCOMES = {
    between.Between: Outcome("live", "live"),
    between.HoldsBack: Outcome("delayed", "nothing"),
    between.Buffers: Outcome("delayed", "nothing"),
    between.Compresses: Outcome("delayed", "nothing"),
    between.Strips: Outcome("live", "live"),
    between.Rechunks: Outcome("live", "live"),
    between.Fails: Outcome("live", "gives up", "gives up"),
    between.FailsWith503: Outcome("live", "gives up", "gives up"),
    between.FailsWith504: Outcome("live", "gives up", "gives up"),
    between.CutsByAge: Outcome("live", "live"),
    between.SpeaksHttp10: Outcome("live", "live"),
    between.Repeats: Outcome("live", "live"),
    between.IsSlow: Outcome("live", "live"),
}
behind_each = pytest.mark.parametrize(
    "behind", OUTCOMES, indirect=True, ids=lambda proxy: proxy.__name__
)
LISTEN = """(address) => {
  window.received = []
  window.source = new EventSource(address)
  source.addEventListener('message.created', ({data}) => received.push(JSON.parse(data).data.id))
}"""


@pytest.fixture
def behind(server, request) -> Iterator[between.Between]:
    """A proxy of the class that is the fixture's parameter."""
    proxy = request.param(server)
    yield proxy
    proxy.stop()


def opened(window, proxy) -> Page:
    page: Page = window("ada", THREAD, base_url=proxy.address)
    return page


def state(page: Page, name: str) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", name)


def write(page: Page, text: str) -> None:
    page.locator("#composer textarea").fill(text)
    page.keyboard.press("Enter")


@behind_each
def test_the_page_is_live_and_sends_each_message_once(window, behind, writer):
    page = opened(window, behind)
    state(page, OUTCOMES[type(behind)].page)
    text = f"Behind {type(behind).__name__}"
    id = writer.say(1, f"{text}: from Kevin")
    expect(page.locator(f"#message-{id}")).to_be_visible()
    write(page, f"{text}: from Ada")
    expect(page.locator(".message", has_text=f"{text}: from Ada")).to_have_count(1)
    expect(page.locator('.message[data-state="sending"]')).to_have_count(0)
    assert [row["content"] for row in writer.newest(1)].count(f"{text}: from Ada") == 1
    state(page, OUTCOMES[type(behind)].page)
    page.context.close()


@pytest.mark.parametrize("behind", [between.HoldsBack], indirect=True)
def test_the_page_behind_a_proxy_that_holds_back_is_live_soon_misses_nothing_and_streams_again(
    window, behind, writer
):
    page = opened(window, behind)
    state(page, "delayed")
    eventually(lambda: len(behind.asked) > 2, "the page goes on by long polling")
    (began, _), _, (live, _) = behind.asked[:3]
    assert live - began < DETECTED
    id = writer.say(1, "shown soon")
    sent = time.monotonic()
    expect(page.locator(f"#message-{id}")).to_be_visible()
    took = time.monotonic() - sent
    assert took < 2, f"it was shown after {took:.1f} s"
    page.reload()
    state(page, "delayed")  # at once: the origin is remembered
    assert "wait=" in behind.paths[-1]
    behind.on = False
    page.evaluate("dispatchEvent(new Event('online'))")  # the network has changed
    state(page, "live")
    page.context.close()


@pytest.mark.parametrize("behind", [between.CutsByAge], indirect=True)
def test_after_two_cuts_at_one_age_the_page_opens_anew_before_the_next(window, behind, writer):
    page = opened(window, behind)
    state(page, "live")
    writer.keep_saying([1], every=0.3)
    learned = "Object.values(localStorage).some((value) => 'age' in JSON.parse(value))"
    eventually(lambda: page.evaluate(learned), "the page learns the age", 100)
    state(page, "live")
    cut, opened_before = behind.cut_streams, behind.streams
    page.evaluate(
        """() => { window.seen = []; new MutationObserver(() => seen.push(live.dataset.state))
        .observe(live, {attributes: true, attributeFilter: ['data-state']}) }"""
    )
    eventually(lambda: behind.streams >= opened_before + 2, "the page opens anew", 100)
    assert behind.cut_streams == cut >= 2
    assert page.evaluate("seen.filter((state) => state !== 'live')") == []
    page.context.close()


@pytest.mark.parametrize("behind", [between.HoldsBack], indirect=True)
def test_no_message_is_missed_behind_a_proxy_that_holds_back(window, behind, writer):
    page = window("ada", "/healthz", base_url=behind.address)
    page.route("**/tab.html?*", lambda route: route.fulfill(body=TAB, content_type="text/html"))
    page.goto(f"{behind.address}/tab.html?user=1&conversation=1")
    expect(page.locator("#state")).to_have_text("live")
    first = page.evaluate("tab.messages.at(-1)")
    writer.keep_saying([1], every=0.01, most=MESSAGES)
    eventually(lambda: not writer.is_at_work, "all are sent", observed=lambda: writer.said)
    expected = writer.messages_after(1, first)
    assert len(expected) == MESSAGES
    received = "tab.messages.slice(tab.messages.indexOf(first) + 1)"
    page.wait_for_function(f"([first, most]) => {received}.length >= most", arg=[first, MESSAGES])
    assert page.evaluate(f"(first) => {received}", first) == expected
    assert page.evaluate("tab.resets") == 0
    page.context.close()


@behind_each
@pytest.mark.parametrize("query", ["", "?wait=10"], ids=["streaming", "waiting"])
def test_a_bare_event_source_receives_or_gives_up(window, behind, writer, query):
    expected = OUTCOMES[type(behind)].waiting if query else OUTCOMES[type(behind)].bare
    page = window("ada", "/healthz", base_url=behind.address, bypass_csp=True)
    behind.asked.clear()
    page.evaluate(LISTEN, f"/streams/conversations/1{query}")
    if expected == "gives up":
        page.wait_for_function("source.readyState === 2")
        page.context.close()
        return
    eventually(lambda: b"event: stream.open\n" in behind.read, "the server has opened the stream")
    id = writer.say(1, f"Bare behind {type(behind).__name__}")
    if expected == "live":
        page.wait_for_function("(id) => received.includes(id)", arg=id)
    else:
        eventually(lambda: f'"id":{id},'.encode() in behind.read, "the proxy has the message")
        assert page.evaluate("received") == []
        assert page.evaluate("source.readyState") < 2
    page.context.close()


def test_the_document_has_the_outcome_behind_each_proxy():
    rows = [
        f"| {proxy.about} | {outcome.page} | {outcome.bare} | {outcome.waiting} |"
        for proxy, outcome in OUTCOMES.items()
    ]
    table = DOCUMENT.read_text().partition("| What it does | ")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == rows


@pytest.fixture
def visitor(chromium, behind, restartable) -> Iterator[Page]:
    """Maria's own page behind the proxy, with her token."""
    token = restartable.flask("token", "visitor", "maria.lindqvist@example.com")
    context = chromium.new_context(base_url=behind.address)
    context.set_default_timeout(1000 * PATIENCE)
    context.expose_function("nextToken", lambda: token)
    context.route("**/frame.html", lambda r: r.fulfill(body=VISITOR, content_type="text/html"))
    page = context.new_page()
    page.goto("/frame.html")
    yield page
    context.close()


@pytest.mark.parametrize(
    "behind",
    [proxy for proxy in OUTCOMES if proxy is not between.Strips],
    indirect=True,
    ids=lambda proxy: proxy.__name__,
)
def test_a_visitors_page_whose_streams_come_by_fetch_is_live(visitor, behind, writer):
    expect(visitor.locator("#state")).to_have_text("live")
    for text in ("One", "Two"):
        writer.say(1, text)
        visitor.wait_for_function("text => tab.contents.at(-1) === text", arg=text)
    assert visitor.evaluate("tab.contents") == ["One", "Two"]
    assert visitor.evaluate("tab.resets") == 0


@pytest.mark.parametrize("behind", [between.Strips], indirect=True)
def test_a_visitors_page_whose_token_is_removed_on_the_way_says_that_it_is_not_live(visitor):
    expect(visitor.locator("#state")).to_have_text("closed")
