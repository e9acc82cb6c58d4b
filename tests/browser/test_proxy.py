"""Faults of a proxy: the page shows its state, reconnects, and has every message.

A script writes all the time, so that silence is a fault: the page tolerates 1.5 s of it.
"""

import itertools
import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .writer import open_streams

TAB = (Path(__file__).parent / "tab.html").read_text()
IMPATIENT = {"patience": 0.1, "firstDelay": 100, "longestDelay": 400}  # heartbeats, ms, ms


@pytest.fixture
def page(window, proxy, writer):
    page = window("kevin", base_url=proxy.address)
    page.route("**/tab.html?*", lambda route: route.fulfill(body=TAB, content_type="text/html"))
    page.goto("about:blank")
    asked = {"user": 2, "conversation": 1, "options": json.dumps(IMPATIENT)}
    page.goto(f"{proxy.address}/tab.html?{urlencode(asked)}")
    expect(page.locator("#state")).to_have_text("live")
    writer.keep_saying([1], every=0.1)
    return page


def recovers(page, writer) -> None:
    """Check that the page is live again, and equals a fresh load after the last message."""
    expect(page.locator("#state")).to_have_text("live", timeout=10_000)
    writer.stop()
    first = page.evaluate("tab.messages[0]")
    said = [first, *writer.messages_after(1, first)]
    page.wait_for_function("said => tab.messages.length >= said", arg=len(said))
    assert page.evaluate("tab.messages") == said
    assert page.evaluate("tab.resets") == 0
    assert page.evaluate("tab.rejected") == []


def hear_more(page) -> None:
    heard = page.evaluate("tab.messages.length")
    page.wait_for_function("heard => tab.messages.length > heard + 3", arg=heard)


def test_the_page_recovers_from_five_cut_streams_without_a_loss(page, proxy, writer):
    for cut in range(1, 6):
        hear_more(page)
        proxy.cut()
        page.wait_for_function("cut => tab.states.length === 1 + 2 * cut", arg=cut)
    recovers(page, writer)
    assert page.evaluate("tab.states") == ["live"] + ["reconnecting", "live"] * 5
    assert proxy.streams >= 6


def test_the_page_retries_while_a_proxy_answers_502_and_recovers_without_a_loss(
    page, proxy, writer
):
    hear_more(page)
    proxy.mode = "refuse"
    expect(page.locator("#state")).to_have_text("reconnecting")
    asked = proxy.streams
    eventually(
        lambda: proxy.streams >= asked + 6, what="the page retries, with a HEAD after each refusal"
    )
    proxy.mode = "pass"
    recovers(page, writer)
    assert page.evaluate("tab.states") == ["live", "reconnecting", "live"]


def test_the_page_gives_up_a_silent_connection_and_recovers_without_a_loss(page, proxy, writer):
    hear_more(page)
    asked = proxy.streams
    proxy.mode = "swallow"
    expect(page.locator("#state")).to_have_text("reconnecting")
    eventually(lambda: proxy.streams > asked, what="the page opens another connection")
    proxy.mode = "pass"
    recovers(page, writer)


def test_the_page_recovers_from_a_stalled_connection_without_a_loss_or_duplicate(
    page, proxy, writer
):
    """The kept data arrives late, on an abandoned connection; no message comes twice."""
    hear_more(page)
    proxy.mode = "stall"
    expect(page.locator("#state")).to_have_text("reconnecting")
    proxy.mode = "pass"
    recovers(page, writer)


def test_the_page_stays_live_on_one_connection_through_a_short_stall(page, proxy, writer):
    hear_more(page)
    asked = proxy.streams
    proxy.mode = "stall"
    said = writer.said
    eventually(lambda: writer.said > said + 3)
    proxy.mode = "pass"
    recovers(page, writer)
    assert page.evaluate("tab.states") == ["live"]
    assert proxy.streams == asked


def test_the_page_recovers_from_being_offline_without_a_loss_on_one_connection(
    page, proxy, writer, server
):
    hear_more(page)
    page.context.set_offline(True)
    proxy.cut()
    expect(page.locator("#state")).to_have_text("reconnecting")
    page.context.set_offline(False)
    recovers(page, writer)
    eventually(lambda: open_streams(server) == 1)


def test_the_page_waits_longer_and_longer_for_a_proxy_that_cuts_each_stream_after_its_opening(
    page, proxy, writer
):
    """The browser's own reconnection would come within 3 s each time, the server's `retry`."""
    hear_more(page)
    page.evaluate("tab.connector.disconnect()")
    proxy.mode = "snap"
    asked = proxy.streams
    page.evaluate(
        """import("/static/js/connector/connector.js").then(({connect}) =>
          connect({share: false, firstDelay: 100}).subscribe("account:1", {}))"""
    )
    eventually(lambda: proxy.streams >= asked + 8, "the page opens eight streams")
    times = [at for at, _ in proxy.asked[asked:]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert {method for _, method in proxy.asked[asked:]} == {"GET"}
    shortest = [0.1 * 2**n / 2 for n in range(len(gaps))]
    assert all(gap > least * 0.9 for gap, least in zip(gaps, shortest, strict=True)), gaps
    assert gaps[6] > 3
