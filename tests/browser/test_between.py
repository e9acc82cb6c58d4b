"""What the page does behind proxies that meddle with streams; docs/proxies.md has the table."""

import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from . import between

THREAD = "/conversations/1"
DETECTED = 10  # s in which the page is live behind a proxy that holds responses back
STATES = {  # of the page
    between.Between: "live",
    between.HoldsBack: "delayed",
    between.Buffers: "delayed",
    between.Compresses: "delayed",
    between.Strips: "live",
    between.Rechunks: "live",
    between.Fails: "live",
    between.FailsWith503: "live",
    between.FailsWith504: "live",
    between.SpeaksHttp10: "live",
    between.Repeats: "live",
    between.IsSlow: "live",
}


@pytest.fixture
def behind(server, request) -> Iterator[between.Between]:
    """A proxy of the class that is the fixture's parameter."""
    proxy = request.param(server)
    yield proxy
    proxy.stop()


def opened(window, proxy) -> Page:
    page: Page = window("ada", base_url=proxy.address)
    page.goto(THREAD)
    return page


def state(page: Page, name: str) -> None:
    expect(page.locator("#live")).to_have_attribute("data-state", name)


def write(page: Page, text: str) -> None:
    page.locator("#composer textarea").fill(text)
    page.keyboard.press("Enter")


@pytest.mark.parametrize("behind", STATES, indirect=True, ids=lambda proxy: proxy.__name__)
def test_the_page_is_live_and_sends_each_message_once(window, behind, writer):
    page = opened(window, behind)
    state(page, STATES[type(behind)])
    text = f"Behind {type(behind).__name__}"
    id = writer.say(1, f"{text}: from Kevin")
    expect(page.locator(f"#message-{id}")).to_be_visible()
    write(page, f"{text}: from Ada")
    expect(page.locator(".message", has_text=f"{text}: from Ada")).to_have_count(1)
    expect(page.locator('.message[data-state="sending"]')).to_have_count(0)
    assert writer.contents(1).count(f"{text}: from Ada") == 1
    state(page, STATES[type(behind)])
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
