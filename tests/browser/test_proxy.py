"""Whatever a proxy does to the stream: the page comes back, has everything, and said so meanwhile.

Somebody writes all the while, so that silence is a fault: the page bears 1.5 s of it.
"""

import json
from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .proxy import Proxy
from .writer import open_streams

TAB = (Path(__file__).parent / "tab.html").read_text()
IMPATIENT = {"patience": 0.1, "firstDelay": 100, "longestDelay": 400}  # heartbeats, ms, ms


@pytest.fixture
def proxy(server):
    proxy = Proxy(server)
    yield proxy
    proxy.stop()


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
    """It is live again, and after the writer's last word shows what a fresh load shows."""
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


def test_through_cuts(page, proxy, writer):
    for cut in range(1, 6):
        hear_more(page)
        proxy.cut()
        page.wait_for_function("cut => tab.states.length === 1 + 2 * cut", arg=cut)
    recovers(page, writer)
    assert page.evaluate("tab.states") == ["live"] + ["reconnecting", "live"] * 5
    assert proxy.streams >= 6


def test_through_answers_of_502(page, proxy, writer):
    hear_more(page)
    proxy.mode = "refuse"
    expect(page.locator("#state")).to_have_text("reconnecting")
    asked = proxy.streams
    eventually(lambda: proxy.streams >= asked + 6, what="it tries again, and asks why")
    proxy.mode = "pass"
    recovers(page, writer)
    assert page.evaluate("tab.states") == ["live", "reconnecting", "live"]


def test_through_silence(page, proxy, writer):
    hear_more(page)
    asked = proxy.streams
    proxy.mode = "swallow"
    expect(page.locator("#state")).to_have_text("reconnecting")
    eventually(lambda: proxy.streams > asked, what="it gives up the dead connection")
    proxy.mode = "pass"
    recovers(page, writer)


def test_through_a_stall(page, proxy, writer):
    """What was kept arrives late, on a connection that was given up: nothing comes twice."""
    hear_more(page)
    proxy.mode = "stall"
    expect(page.locator("#state")).to_have_text("reconnecting")
    proxy.mode = "pass"
    recovers(page, writer)


def test_through_a_stall_that_is_short_nothing_is_amiss(page, proxy, writer):
    hear_more(page)
    asked = proxy.streams
    proxy.mode = "stall"
    said = writer.said
    eventually(lambda: writer.said > said + 3)
    proxy.mode = "pass"
    recovers(page, writer)
    assert page.evaluate("tab.states") == ["live"]
    assert proxy.streams == asked


def test_offline_and_online(page, proxy, writer, server):
    hear_more(page)
    page.context.set_offline(True)
    proxy.cut()
    expect(page.locator("#state")).to_have_text("reconnecting")
    page.context.set_offline(False)
    recovers(page, writer)
    eventually(lambda: open_streams(server) == 1)
