"""Visitors in frames of other sites, for each of which the browser keeps locks, channels and
storage apart: the frames of one site share a connection."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from ..harness.chromium import QUIET
from ..harness.chromium import chromium_path
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .writer import open_streams

MARIA = "maria.lindqvist@example.com"
FRAME = (Path(__file__).parent / "visitor.html").read_text()
HOST = """<!doctype html><link rel="icon" href="data:,"><title>A shop</title>
<iframe src="{server}/frame.html"></iframe>"""
REFUSE = "throw new DOMException('', 'SecurityError')"
DENIED = {
    "locks": f"navigator.locks.request = async () => {{ {REFUSE} }};",
    "locks, by an exception at once": f"navigator.locks.request = () => {{ {REFUSE} }};",
    "channels": f"window.BroadcastChannel = class {{ constructor() {{ {REFUSE} }} }};",
    "storage": f"Object.defineProperty(window, 'localStorage', {{ get() {{ {REFUSE} }} }});",
}


@pytest.fixture(scope="module")
def partitioning(playwright):
    """A browser that keeps the storage of sites apart: Playwright switches that off, by a list of
    features of which the last one counts."""
    path = chromium_path()
    if path is None:
        pytest.skip("there is no Chromium on the PATH")
    browser = playwright.chromium.launch(
        executable_path=path, args=[*QUIET, "--disable-features=Translate"]
    )
    yield browser
    browser.close()


@pytest.fixture
def visit(partitioning, server, restartable):
    """`visit(site)`: the frame of Maria's page within a new tab of that site; each has the token
    that is then `visit.token`. Without a site, her page itself."""
    eventually(lambda: open_streams(server) == 0)
    context = partitioning.new_context()
    context.set_default_timeout(1000 * PATIENCE)
    html = "text/html"
    context.route("**/frame.html", lambda r: r.fulfill(body=FRAME, content_type=html))
    host = HOST.format(server=server)
    context.route("**/host.html", lambda r: r.fulfill(body=host, content_type=html))

    def open_tab(site: str = "", script: str = "", token: str = ""):
        page = context.new_page()
        page.expose_function("nextToken", lambda: visit.token)
        if script:
            page.add_init_script(script)
        page.goto(f"{site}/host.html" if site else f"{server}/frame.html")
        expect(shown(page)("#state")).to_have_text("live")
        return page

    class Visit:
        token = ""
        __call__ = staticmethod(open_tab)

    visit = Visit()
    visit.token = restartable.flask("token", "visitor", MARIA, "--expires-in", "3600")
    yield visit
    context.close()


def shown(page):
    """The locator of what the visitor sees, in a frame or not."""
    return page.frame_locator("iframe").locator if len(page.frames) > 1 else page.locator


def tab(page, expression: str):
    return page.frames[-1].evaluate(f"tab.{expression}")


def has(page, *contents: str) -> None:
    page.frames[-1].wait_for_function(
        "wanted => wanted.every((content) => tab.contents.includes(content))", arg=list(contents)
    )


@pytest.fixture
def sites(server):
    """Two sites whose pages are another site's than the frame: that is of 127.0.0.1."""
    port = urlsplit(server).port
    assert urlsplit(server).hostname == "127.0.0.1"
    return f"http://localhost:{port}", f"http://shop.localhost:{port}"


def test_frames_of_one_site_share_a_connection_and_lose_nothing_when_the_leading_tab_closes(
    visit, sites, server, writer
):
    tabs = [visit(sites[0]) for _ in range(3)]
    assert open_streams(server) == 1
    writer.say(1, "One")
    for page in tabs:
        has(page, "One")
    tabs.pop(0).close()  # it leads: it was the first
    writer.say(1, "Two")
    for page in tabs:
        has(page, "Two")
        assert tab(page, "contents") == ["One", "Two"]
        assert tab(page, "resets") == 0
    assert open_streams(server) == 1


def test_frames_of_two_sites_and_the_visitors_own_page_have_a_connection_each(
    visit, sites, server, writer
):
    pages = [visit(sites[0]), visit(sites[1]), visit()]
    assert open_streams(server) == 3
    writer.say(1, "Three")
    for page in pages:
        has(page, "Three")
    for page in pages[:2]:
        page.close()
    writer.say(1, "Four")
    has(pages[2], "Four")
    assert tab(pages[2], "states") == ["live"]


@pytest.mark.parametrize("what", DENIED)
def test_where_the_browser_denies_what_tabs_share_by_each_frame_has_its_own_connection(
    visit, sites, server, writer, what
):
    pages = [visit(sites[0], DENIED[what]) for _ in range(2)]
    assert open_streams(server) == (1 if what == "storage" else 2)
    writer.say(1, f"Without {what}")
    for page in pages:
        has(page, f"Without {what}")
        assert tab(page, "contents.length") == 1


def test_in_a_page_without_tls_where_locks_are_missing_each_frame_has_its_own_connection(
    visit, server, writer
):
    pages = [visit("http://shop.example") for _ in range(2)]
    assert pages[0].frames[-1].evaluate("[isSecureContext, 'locks' in navigator]") == [False, False]
    assert open_streams(server) == 2
    writer.say(1, "Without TLS")
    for page in pages:
        has(page, "Without TLS")


def test_frames_whose_token_is_revoked_go_on_with_another_one_from_their_cursor(
    visit, sites, server, writer, restartable
):
    pages = [visit(sites[0]) for _ in range(2)]
    writer.say(1, "Before")
    for page in pages:
        has(page, "Before")
    old = restartable.flask("token", "list").splitlines()
    used = [line.split("\t")[0] for line in old if MARIA in line]
    visit.token = restartable.flask("token", "visitor", MARIA, "--expires-in", "3600")
    for id in used:
        restartable.flask("token", "revoke", id)
    writer.say(1, "After")
    for page in pages:
        has(page, "After")
        expect(shown(page)("#state")).to_have_text("live")
        assert tab(page, "contents") == ["Before", "After"]
        assert tab(page, "states") == ["live", "reconnecting (signed_out)", "live"]
        assert tab(page, "resets") == 0
    # A tab that does not lead has the old token still, and renews it with its first action.
    for n, page in enumerate(pages):
        page.frames[-1].evaluate(f"tab.thread.perform('messages', {{content: 'From tab {n}'}})")
    for page in pages:
        has(page, "From tab 0", "From tab 1")
    assert open_streams(server) == 1


def test_no_request_of_a_visitor_has_the_token_in_its_address(visit, sites, restartable):
    page = visit()
    addresses = []
    page.on("request", lambda request: addresses.append(request.url))
    page.reload()
    expect(page.locator("#state")).to_have_text("live")
    page.evaluate("tab.thread.perform('messages', {content: 'Hello'})")
    streams = [address for address in addresses if "/streams" in address]
    assert streams
    assert not [a for a in addresses if visit.token in a or re.search("[?&]token=", a)]
