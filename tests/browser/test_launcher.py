"""The launcher on pages of another site, with a chat that the test drives in its frame."""

import gzip
import re
import urllib.request
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import Frame
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .conftest import PATIENCE_MS
from .site import WIPE
from .site import Site
from .site import website
from .test_inbox_safe import axe
from .test_inbox_safe import complaints

__all__ = ["axe"]

KEY = "abcDEF123_-x"
STORED = f"rtapp.chat.{KEY}"
STUB = (Path(__file__).parent / "chat_stub.html").read_text()
DOCS = (Path(__file__).parents[2] / "docs/widget.md").read_text()
PHONE = {"width": 390, "height": 844}
# Tests look into the launcher; test_the_page_can_not_look_into_the_launcher does not.
OPEN_ROOTS = """
const attach = Element.prototype.attachShadow;
Element.prototype.attachShadow = function (options) {
  return attach.call(this, { ...options, mode: "open" });
};
"""


@pytest.fixture(scope="module")
def site(server: str) -> Iterator[Site]:
    with website(server, KEY) as site:
        yield site


class Visit:
    """A browser on the website, whose chat is a stub; what it requested and complained about."""

    def __init__(self, context: BrowserContext, site: Site):
        self.site = site
        self.context = context
        self.requested: list[str] = []
        self.complaints: list[str] = []
        self.stub: str | None = STUB.replace("%ORIGIN%", site.origin)
        context.set_default_timeout(PATIENCE_MS)
        context.route("**/chat/*", self._chat)
        self.page = self.tab()

    def tab(self) -> Page:
        page = self.context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._console)
        page.on("request", lambda request: self.requested.append(request.url))
        return page

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _chat(self, route: Any) -> None:
        if self.stub is None:
            headers = {"Content-Security-Policy": "frame-ancestors 'none'"}
            route.fulfill(body="No such chat", status=404, headers=headers)
        else:
            route.fulfill(body=self.stub, content_type="text/html")

    def go(self, path: str) -> Page:
        self.page.goto(self.site.url(path))
        return self.page

    @property
    def button(self) -> Any:
        return self.page.locator("rtapp-chat button")

    @property
    def panel(self) -> Any:
        return self.page.locator("rtapp-chat [role=dialog]")

    def frames(self) -> list[Frame]:
        self.page.title()  # has Playwright take what has happened
        return [frame for frame in self.page.frames if "/chat/" in frame.url]

    @property
    def frame(self) -> Frame:
        (frame,) = self.frames()
        return frame

    def open(self) -> Frame:
        self.button.click()
        return self.connected()

    def connected(self) -> Frame:
        eventually(self.frames, "there is a frame")
        eventually(lambda: self.received("session"), "the frame has a session")
        return self.frame

    def received(self, type: str) -> list[dict[str, Any]]:
        """What the chat has received of this type."""
        frames = self.frames()
        if len(frames) != 1 or not frames[0].evaluate("'received' in window"):  # it is loaded anew
            return []
        found: list[dict[str, Any]] = frames[0].evaluate(
            "(type) => received.filter((message) => message.type === type)", type
        )
        return found

    def send(self, **message: Any) -> None:
        self.frame.evaluate("(message) => port.postMessage(message)", message)

    def chat_requests(self) -> list[str]:
        self.page.title()
        return [url for url in self.requested if "/chat/" in url]


@pytest.fixture
def visit(chromium: Browser, site: Site) -> Iterator[Callable[..., Visit]]:
    visits: list[Visit] = []

    def visit(path: str, *, roots: str = OPEN_ROOTS, **options: Any) -> Visit:
        context = chromium.new_context(**options)
        context.add_init_script(roots)
        visits.append(Visit(context, site))
        visits[-1].go(path)
        return visits[-1]

    yield visit
    for one in visits:
        one.context.close()


def test_the_launcher_is_small_and_served_to_pages_of_any_site(server):
    request = urllib.request.Request(f"{server}/widget.js", headers={"Accept-Encoding": "gzip"})
    with urllib.request.urlopen(request) as answer:
        body, headers = answer.read(), answer.headers
    print(f"widget.js: {len(body)} bytes, gzip")
    assert 2_000 < len(body) < 5_000
    assert b"rtappChat" in gzip.decompress(body)
    assert headers["Cache-Control"] == "public, max-age=300"
    assert headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert headers["Vary"] == "Accept-Encoding"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Set-Cookie" not in headers


def test_nothing_but_the_script_is_requested_before_the_first_opening(visit, site):
    shop = visit("/plain")
    expect(shop.button).to_be_visible()
    shop.page.wait_for_load_state("networkidle")
    assert [u for u in shop.requested if not u.startswith(site.origin)] == [
        f"{site.ours}/widget.js"
    ]
    assert shop.page.evaluate("Object.keys(localStorage)") == []
    assert shop.context.cookies() == []
    shop.open()
    assert len(shop.chat_requests()) == 1
    assert shop.complaints == []


def test_the_chat_opens_with_its_session_and_closes_with_the_focus_on_the_button(visit, site):
    shop = visit("/plain")
    expect(shop.button).to_have_accessible_name("Open chat")
    expect(shop.button).to_have_attribute("aria-expanded", "false")
    expect(shop.panel).to_be_hidden()
    shop.open()
    expect(shop.panel).to_be_visible()
    expect(shop.button).to_have_attribute("aria-expanded", "true")
    expect(shop.button).to_have_accessible_name("Close chat")
    (session,) = shop.received("session")
    assert session == {
        "type": "session", "token": None, "page": site.url("/plain"), "language": "en",
        "title": "A shop", "open": True,
    }  # fmt: skip
    focused = "document.activeElement?.shadowRoot?.activeElement?.localName"
    eventually(lambda: shop.page.evaluate(focused) == "iframe", "the focus is in the chat")
    shop.send(type="close")
    expect(shop.panel).to_be_hidden()
    expect(shop.button).to_be_focused()
    assert shop.complaints == []


def test_escape_on_the_button_closes_the_chat(visit):
    shop = visit("/plain")
    shop.open()
    shop.button.focus()
    shop.page.keyboard.press("Escape")
    expect(shop.panel).to_be_hidden()
    expect(shop.button).to_be_focused()
    shop.button.press("Enter")
    expect(shop.panel).to_be_visible()
    eventually(lambda: len(shop.received("open")) == 2, "the chat knows that it is open again")
    assert len(shop.received("close")) == 1


def test_the_page_can_not_look_into_the_launcher(visit):
    shop = visit("/plain", roots="")
    host = shop.page.locator("rtapp-chat")
    expect(host).to_be_attached()
    assert host.evaluate("(host) => host.shadowRoot") is None
    shop.page.keyboard.press("Shift+Tab")
    shop.page.keyboard.press("Enter")
    shop.connected()


def test_the_number_of_unread_messages_is_on_the_button_and_in_the_title_of_a_hidden_page(visit):
    shop = visit("/plain")
    shop.open()
    shop.page.evaluate("void rtappChat.on('unread', (count) => { window.unread = count })")
    shop.send(type="close")
    shop.send(type="unread", count=3)
    expect(shop.button).to_have_accessible_name("Open chat, 3 unread")
    expect(shop.button).to_have_text("3")
    assert shop.page.evaluate("unread") == 3
    assert shop.page.title() == "A shop"
    hide = """(hidden) => {
      Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    shop.page.evaluate(hide, True)
    assert shop.page.title() == "(3) A shop"
    shop.page.evaluate("document.title = 'Another page'")
    shop.page.evaluate(hide, False)
    assert shop.page.title() == "Another page"
    shop.send(type="unread", count=100)
    expect(shop.button).to_have_text("99+")
    shop.send(type="unread", count=0)
    expect(shop.button).to_have_accessible_name("Open chat")
    expect(shop.button).to_have_text("")


def test_a_visitor_who_has_a_token_has_the_chat_loaded_hidden(visit):
    shop = visit("/plain")
    shop.open()
    shop.send(type="token", token="t-1")
    eventually(lambda: shop.page.evaluate("(k) => localStorage[k]", STORED) == "t-1", "it is kept")
    shop.page.reload()
    shop.connected()
    (session,) = shop.received("session")
    assert (session["token"], session["open"]) == ("t-1", False)
    expect(shop.panel).to_be_hidden()
    shop.send(type="unread", count=1)
    expect(shop.button).to_have_accessible_name("Open chat, 1 unread")
    shop.send(type="token", token=None)
    eventually(lambda: shop.page.evaluate("localStorage.length") == 0, "it is forgotten")


def test_another_tab_follows_as_a_token_changes(visit, site):
    shop = visit("/plain")
    shop.open()
    other = shop.tab()
    other.goto(site.url("/other"))
    other.evaluate("(key) => localStorage.setItem(key, 't-2')", STORED)
    eventually(lambda: len(shop.received("session")) == 2, "the first tab follows")
    assert shop.received("session")[1]["token"] == "t-2"
    other.evaluate("localStorage.clear()")
    eventually(lambda: len(shop.received("session")) == 3, "the first tab follows")
    assert shop.received("session")[2]["token"] is None


DENIED = """
Object.defineProperty(window, "localStorage", { get() { throw new DOMException("no"); } });
"""


def test_without_storage_the_token_is_kept_for_the_page(visit):
    shop = visit("/turbo", roots=OPEN_ROOTS + DENIED)
    shop.open()
    shop.send(type="token", token="t-3")
    shop.page.evaluate(WIPE)
    eventually(
        lambda: [s["token"] for s in shop.received("session")] == ["t-3"], "the new frame has it"
    )
    assert shop.complaints == []


def test_a_script_in_the_head_waits_for_the_body(visit):
    shop = visit("/head")
    expect(shop.button).to_be_visible()
    assert shop.page.evaluate("document.documentElement.lastElementChild.localName") == "rtapp-chat"
    shop.open()
    assert shop.complaints == []


def test_a_script_that_is_included_twice_makes_one_launcher(visit):
    shop = visit("/twice")
    shop.page.wait_for_load_state("networkidle")
    expect(shop.button).to_have_count(1)
    shop.open()
    assert shop.frame.evaluate("handshakes") == 1
    assert shop.complaints == []


def test_navigation_that_replaces_the_body_keeps_the_chat_as_it_is(visit, site):
    shop = visit("/turbo")
    shop.open()
    shop.frame.evaluate("window.draft = 'half a sentence'")
    shop.page.get_by_role("link", name="Two").click()
    expect(shop.page.get_by_role("heading", name="Two")).to_be_visible()
    expect(shop.button).to_have_count(1)
    eventually(lambda: shop.received("page"), "the chat learns the page")
    assert shop.received("page")[-1]["url"] == site.url("/two")
    assert shop.frame.evaluate("[draft, handshakes]") == ["half a sentence", 1]
    shop.page.go_back()
    eventually(lambda: len(shop.received("page")) == 2, "the chat learns the page")
    shop.page.evaluate("history.pushState({}, '', '?step=2#secret')")
    eventually(lambda: len(shop.received("page")) == 3, "the chat learns the page")
    assert shop.received("page")[-1]["url"] == site.url("/turbo?step=2")
    assert len(shop.chat_requests()) == 1
    assert shop.complaints == []


def test_a_page_that_removes_the_launcher_gets_it_back_with_a_new_handshake(visit):
    shop = visit("/turbo")
    shop.open()
    shop.send(type="token", token="t-4")
    eventually(lambda: shop.page.evaluate("localStorage.length") == 1, "it is kept")
    for number in (2, 3):
        shop.page.evaluate(WIPE)
        eventually(lambda n=number: len(shop.chat_requests()) == n, "the frame is loaded anew")
        shop.connected()
        (session,) = shop.received("session")
        assert (session["token"], session["open"]) == ("t-4", True)
        expect(shop.panel).to_be_visible()
    expect(shop.button).to_have_count(1)


def test_a_page_that_changes_the_language_itself_leaves_the_chat_working(visit, site):
    """Nothing runs in the page's world here: Playwright's own scripts would fail in it."""
    shop = visit("/hostile")
    expect(shop.button).to_be_visible()
    frame = shop.connected()
    frame.wait_for_function("received.some(({ type }) => type === 'identify')")
    shop.send(type="token", token="t-5")
    shop.send(type="identified", contact={"name": "Zoe"}, id=shop.received("identify")[0]["id"])
    expect(shop.page).to_have_title("Contact Zoe")
    shop.send(type="message", message={"id": 7})
    expect(shop.page).to_have_title("Message 7")
    shop.send(type="unread", count=2)
    expect(shop.button).to_have_text("2")
    shop.button.click()
    expect(shop.panel).to_be_visible()
    shop.send(type="close")
    expect(shop.panel).to_be_hidden()
    kept = [{"origin": site.origin, "localStorage": [{"name": STORED, "value": "t-5"}]}]
    assert shop.context.storage_state()["origins"] == kept
    assert shop.complaints == []


def test_styles_of_the_page_do_not_reach_the_launcher(visit):
    shop = visit("/styled")
    expect(shop.button).to_be_visible()
    box = shop.button.bounding_box()
    assert (box["width"], box["height"]) == (56, 56)
    size = shop.page.viewport_size
    assert box["x"] + 56 + 20 == size["width"]
    assert box["y"] + 56 + 20 == size["height"]
    shop.open()
    expect(shop.panel).to_be_visible()
    host = shop.page.locator("rtapp-chat")
    assert host.evaluate("(host) => getComputedStyle(host).zIndex") == "2147483647"
    assert host.evaluate("(host) => getComputedStyle(host).opacity") == "1"


def test_an_isolated_page_takes_the_script_and_the_frame(visit):
    shop = visit("/isolated")
    assert shop.page.evaluate("crossOriginIsolated")
    shop.open()
    assert shop.complaints == []


def test_a_chat_that_does_not_load_is_said_with_a_link_to_its_page(visit, site):
    """An unknown key, and a website that is not among the origins, look the same from outside."""
    shop = visit("/plain")
    shop.stub = None
    shop.page.evaluate("void rtappChat.on('error', (error) => { window.error = error.type })")
    asked = shop.page.evaluate_handle("({ promise: rtappChat.identify('a.b.c') })")
    assert asked.evaluate("({ promise }) => promise.catch((error) => error.type)") == "unavailable"
    shop.button.click()
    alert = shop.panel.get_by_role("alert")
    expect(alert).to_contain_text("The chat can’t be loaded here.")
    link = alert.get_by_role("link", name="Open it in a new tab")
    expect(link).to_have_attribute("href", f"{site.ours}/chat/{KEY}")
    expect(link).to_have_attribute("rel", "noopener")
    assert shop.page.evaluate("error") == "unavailable"
    assert any("does not load here" in text for text in shop.complaints)
    shop.button.click()
    expect(shop.panel).to_be_hidden()
    shop.stub = STUB.replace("%ORIGIN%", site.origin)  # it is there again
    shop.open()
    expect(alert).to_be_hidden()


def test_a_page_that_forbids_our_frame_shows_the_link(visit):
    shop = visit("/noframes")
    shop.button.click()
    expect(shop.panel.get_by_role("link", name="Open it in a new tab")).to_be_visible()
    assert shop.chat_requests() == []


def test_no_other_frame_or_window_gets_a_port(visit, site):
    """The same page in a frame of the website's own, and a hello from the website itself."""
    shop = visit("/empty")
    shop.page.evaluate(
        """async ([ours, key]) => {
          const script = document.createElement("script");
          script.src = `${ours}/widget.js`;
          script.dataset.inbox = key;
          document.head.append(script);
          await new Promise((loaded) => { script.onload = loaded; });
          const impostor = document.createElement("iframe");
          impostor.src = `${ours}/chat/${key}`;
          document.body.append(impostor);
          await new Promise((loaded) => { impostor.onload = loaded; });
          postMessage({ rtapp: "hello" }, location.origin);
          postMessage(null, location.origin);
        }""",
        [site.ours, KEY],
    )
    impostor = shop.frame
    shop.button.click()
    eventually(lambda: len(shop.frames()) == 2, "the launcher's own frame is there")
    (own,) = (frame for frame in shop.frames() if frame != impostor)
    eventually(lambda: own.evaluate("window.handshakes") == 1, "it has a port")
    assert impostor.evaluate("handshakes") == 0
    assert shop.complaints == []


def test_calls_before_the_script_has_loaded_are_kept(visit, site):
    shop = visit("/empty")
    stub = re.search(r"```html\n<script>\n(.*?)</script>", DOCS, re.DOTALL)[1]
    shop.page.evaluate(
        """([stub, ours, key]) => {
          const own = document.createElement("script");
          own.textContent = stub;
          document.head.append(own);
          rtappChat.on("open", () => { window.opened = true });
          rtappChat.identify("a.b.c").then((contact) => { window.contact = contact });
          rtappChat.open();
          const script = document.createElement("script");
          script.src = `${ours}/widget.js`;
          script.dataset.inbox = key;
          window.early = rtappChat;
          document.head.append(script);
        }""",
        [stub, site.ours, KEY],
    )
    shop.connected()
    eventually(lambda: shop.received("identify"), "the chat is asked")
    shop.send(type="identified", contact={"id": 5}, id=shop.received("identify")[0]["id"])
    eventually(lambda: shop.page.evaluate("window.contact?.id") == 5, "the page is answered")
    assert shop.page.evaluate("opened")
    shop.page.evaluate("early.close()")  # a reference from before
    expect(shop.panel).to_be_hidden()
    assert shop.complaints == []


def test_identify_and_logout_are_answered_by_the_chat(visit):
    shop = visit("/plain")
    shop.page.evaluate("void rtappChat.identify('a.b.c').then((c) => { window.contact = c })")
    shop.connected()
    (request,) = shop.received("identify")
    assert request["jwt"] == "a.b.c"
    shop.send(type="token", token="t-6")
    contact = {"id": 9, "name": "Zoe", "verified": True}
    shop.send(type="identified", contact=contact, id=request["id"])
    eventually(lambda: shop.page.evaluate("window.contact") == contact, "the page is answered")
    again = shop.page.evaluate("rtappChat.identify('a.b.c')")  # on each page of an application
    assert (again, len(shop.received("identify"))) == (contact, 1)
    shop.page.evaluate("void rtappChat.identify('x').catch((e) => { window.refused = e.type })")
    eventually(lambda: len(shop.received("identify")) == 2, "the chat is asked")
    problem = {"type": "expired", "message": "It has expired."}
    shop.send(type="error", error=problem, id=shop.received("identify")[1]["id"])
    eventually(lambda: shop.page.evaluate("window.refused") == "expired", "it is refused")
    shop.page.evaluate("void rtappChat.logout().then(() => { window.out = true })")
    eventually(lambda: shop.received("logout"), "the chat is asked")
    assert shop.page.evaluate("localStorage.length") == 0
    shop.send(type="loggedOut", id=shop.received("logout")[0]["id"])
    eventually(lambda: shop.page.evaluate("window.out"), "the page is answered")
    assert shop.complaints == []


def test_a_logout_of_nobody_requests_nothing(visit):
    shop = visit("/plain")
    shop.page.evaluate("rtappChat.logout()")
    assert shop.chat_requests() == []


def test_a_proof_that_is_a_function_is_asked_for_again_as_the_session_ends(visit):
    shop = visit("/plain")
    shop.page.evaluate(
        "n = 0; void rtappChat.identify(() => `jwt-${++n}`).then((c) => { window.contact = c })"
    )
    shop.connected()
    shop.send(type="token", token="t-7")
    shop.send(type="identified", contact={"id": 9}, id=shop.received("identify")[0]["id"])
    eventually(lambda: shop.page.evaluate("window.contact"), "the page is answered")
    shop.send(type="token", token=None)
    eventually(lambda: len(shop.received("identify")) == 2, "the chat has a new proof")
    assert shop.received("identify")[1]["jwt"] == "jwt-2"
    shop.send(type="token", token=None)  # before it is answered
    shop.send(type="unread", count=1)
    expect(shop.button).to_have_text("1")
    assert len(shop.received("identify")) == 2


def test_a_callback_that_fails_is_reported_and_holds_up_no_other(visit):
    shop = visit("/plain")
    off = shop.page.evaluate_handle(
        """() => {
          window.seen = [];
          rtappChat.on("open", () => { throw new Error("the page's mistake") });
          rtappChat.on("open", () => seen.push("open"));
          return { off: rtappChat.on("close", () => seen.push("close")) };
        }"""
    )
    shop.page.evaluate("rtappChat.toggle(); rtappChat.toggle()")
    off.evaluate("({ off }) => off()")
    shop.page.evaluate("rtappChat.toggle(); rtappChat.toggle()")
    assert shop.page.evaluate("seen") == ["open", "close", "open"]
    assert len([text for text in shop.complaints if "the page's mistake" in text]) == 2


@pytest.mark.parametrize(
    "call",
    ["on('unraed', () => {})", "on('constructor', () => {})", "on('open')", "identify(7)",
     "identify()", "identify(() => null)"],
)  # fmt: skip
def test_a_call_that_can_not_be_meant_is_a_type_error(visit, call):
    shop = visit("/plain")
    caught = f"(async () => rtappChat.{call})().catch((error) => `${{error.name}} ${{error}}`)"
    assert shop.page.evaluate(caught).startswith("TypeError")


def test_destroy_removes_everything_and_the_script_may_come_again(visit, site):
    shop = visit("/turbo")
    shop.open()
    shop.page.evaluate("window.old = rtappChat; rtappChat.destroy()")
    expect(shop.page.locator("rtapp-chat")).to_have_count(0)
    assert shop.page.evaluate("'rtappChat' in window") is False
    shop.page.evaluate(WIPE)
    refused = shop.page.evaluate("old.identify('a.b.c').catch((error) => error.type)")
    shop.page.evaluate("old.open(); old.close(); old.destroy()")
    assert refused == "destroyed"
    expect(shop.page.locator("rtapp-chat")).to_have_count(0)
    shop.page.evaluate(
        """([ours, key]) => {
          const script = document.createElement("script");
          script.src = `${ours}/widget.js`;
          script.dataset.inbox = key;
          document.head.append(script);
        }""",
        [site.ours, KEY],
    )
    shop.open()
    assert shop.complaints == []


def test_a_script_without_a_usable_key_does_nothing_but_say_so(visit):
    shop = visit("/nokey")
    eventually(lambda: shop.page.title() and shop.complaints, "it is said")
    assert 'data-inbox="KEY"' in shop.complaints[0]
    expect(shop.page.locator("rtapp-chat")).to_have_count(0)


COLOURS = "(b) => [getComputedStyle(b).backgroundColor, getComputedStyle(b).color]"


def test_the_colour_and_the_language_are_those_of_the_script(visit):
    shop = visit("/accent")
    assert shop.button.evaluate(COLOURS) == ["rgb(255, 224, 0)", "rgb(0, 0, 0)"]
    expect(shop.button).to_have_accessible_name("Chat öffnen")
    assert visit("/plain").button.evaluate(COLOURS) == ["rgb(29, 78, 216)", "rgb(255, 255, 255)"]
    german = visit("/german")
    expect(german.button).to_have_accessible_name("Chat öffnen")
    german.open()
    assert german.received("session")[0]["language"] == "de-AT"
    wrong = visit("/wrong")
    expect(wrong.button).to_be_visible()
    assert wrong.button.evaluate(COLOURS) == ["rgb(29, 78, 216)", "rgb(255, 255, 255)"]


def test_on_a_page_from_right_to_left_the_launcher_is_at_the_left(visit):
    shop = visit("/rtl")
    assert shop.button.bounding_box()["x"] == 20
    shop.open()
    assert shop.panel.bounding_box()["x"] == 20


def test_on_a_phone_the_chat_fills_the_screen_and_the_page_behind_does_not_scroll(visit):
    shop = visit("/tall", viewport=PHONE, has_touch=True, is_mobile=True)
    shop.button.tap()
    shop.connected()
    box = shop.panel.bounding_box()
    assert (box["x"], box["y"], box["width"], box["height"]) == (0, 0, 390, 844)
    expect(shop.button).to_be_hidden()
    scrolls = "getComputedStyle(document.documentElement).overflowY"
    assert shop.page.evaluate(scrolls) == "hidden"
    shop.send(type="close")
    expect(shop.button).to_be_focused()
    assert shop.page.evaluate(scrolls) == "visible"


def test_on_a_phone_a_chat_that_does_not_load_can_be_closed(visit):
    shop = visit("/plain", viewport=PHONE)
    shop.stub = None
    shop.button.click()
    expect(shop.panel.get_by_role("alert")).to_be_visible()
    expect(shop.button).to_have_accessible_name("Close chat")
    shop.button.click()
    expect(shop.panel).to_be_hidden()


KEYBOARD = """
const seen = new EventTarget();
Object.assign(seen, { scale: 1, offsetTop: 0, height: 844 });
Object.defineProperty(window, "visualViewport", { value: seen });
"""


def test_on_a_phone_the_chat_ends_above_the_keyboard(visit):
    """A browser says so by its visual viewport only; a zoomed page is something else."""
    shop = visit("/plain", viewport=PHONE, roots=OPEN_ROOTS + KEYBOARD)
    shop.open()
    change = "(now) => Object.assign(visualViewport, now).dispatchEvent(new Event('resize'))"
    shop.page.evaluate(change, {"height": 500, "offsetTop": 40})
    box = shop.panel.bounding_box()
    assert (box["y"], box["height"]) == (40, 500)
    shop.page.evaluate(change, {"height": 200, "offsetTop": 300, "scale": 2})
    assert shop.panel.bounding_box() == box
    shop.page.evaluate(change, {"height": 844, "offsetTop": 0, "scale": 1})
    assert shop.panel.bounding_box()["height"] == 844


@pytest.mark.parametrize(
    "options", [{}, {"color_scheme": "dark"}, {"viewport": PHONE}], ids=["light", "dark", "phone"]
)
def test_axe_finds_nothing_in_the_launcher(visit, axe, options):
    shop = visit("/own", **options)
    expect(shop.button).to_be_visible()
    assert complaints(shop.page, axe) == []
    shop.open()
    shop.send(type="unread", count=12)
    expect(shop.panel).to_have_css("opacity", "1")
    assert complaints(shop.page, axe) == []
    shop.button.evaluate("(button) => button.click()")
    expect(shop.panel).to_be_hidden()
    assert complaints(shop.page, axe) == []
    lost = visit("/noframes", **options)
    lost.button.click()
    expect(lost.panel.get_by_role("alert")).to_be_visible()
    expect(lost.panel).to_have_css("opacity", "1")
    assert complaints(lost.page, axe) == []


def test_a_chat_that_is_there_again_is_loaded_as_the_browser_comes_online(visit, site):
    shop = visit("/plain")
    shop.stub = None
    shop.button.click()
    expect(shop.panel.get_by_role("alert")).to_be_visible()
    shop.stub = STUB.replace("%ORIGIN%", site.origin)
    shop.page.evaluate("dispatchEvent(new Event('online'))")
    shop.connected()
    expect(shop.panel.get_by_role("alert")).to_be_hidden()


def test_the_launcher_is_not_printed_and_moves_only_where_motion_is_welcome(visit):
    shop = visit("/plain", reduced_motion="reduce")
    moves = "(panel) => getComputedStyle(panel).transitionDuration"
    assert shop.panel.evaluate(moves) == "0s"
    shop.page.emulate_media(reduced_motion="no-preference")
    assert shop.panel.evaluate(moves) != "0s"
    shop.page.emulate_media(media="print")
    expect(shop.button).to_be_hidden()


def test_in_forced_colours_the_button_has_a_border(visit):
    shop = visit("/plain", forced_colors="active")
    assert shop.button.evaluate("(b) => getComputedStyle(b).borderTopWidth") == "2px"
    plain = visit("/plain")
    assert plain.button.evaluate("(b) => getComputedStyle(b).borderTopWidth") == "0px"
