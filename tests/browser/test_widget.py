"""The chat on a website of another origin, with Ada's inbox beside it: nothing is missed, nothing
is doubled, and nothing is anybody else's."""

import json
import re
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any

import jwt
import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import FrameLocator
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..clients.firefox import Firefox
from ..clients.firefox import path as firefox_path
from ..harness.chromium import chromium_path
from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually
from .conftest import PATIENCE_MS
from .page import BLANK
from .page import live
from .restartable import Restartable
from .site import Site
from .site import website
from .test_chat_files import png
from .test_launcher import OPEN_ROOTS

KEY = "demo"
STORED = f"rtapp.chat.{KEY}"
INBOX = "/accounts/1/conversations"
PHONE = {"width": 390, "height": 844}
DOCS = (Path(__file__).parents[2] / "docs/widget.md").read_text()
numbers = count(1)


@pytest.fixture(scope="module")
def site(restartable: Restartable) -> Iterator[Site]:
    """A website that may embed the demo's chat."""
    with website(restartable.url, KEY) as site:
        restartable.flask("website", "set", "1", "--origin", site.origin)
        yield site


@pytest.fixture(scope="module")
def prove(restartable: Restartable) -> Callable[..., str]:
    """`prove("user-1", name="Zoe")`: the website's JWT."""
    secret = restartable.flask("website", "secret", "1").split()[-1]
    assert re.fullmatch("[0-9a-f]{64}", secret)

    def prove(subject: str, **claims: Any) -> str:
        payload = {"sub": subject, "exp": int(time.time()) + 600, **claims}
        return jwt.encode(payload, secret, "HS256")

    return prove


class Visit:
    """A tab of a browser on a website."""

    def __init__(self, context: BrowserContext, site: Site, errors: list[str]):
        self.context = context
        self.site = site
        self.errors = errors
        self.requested: list[str] = []
        self.page: Page = context.new_page()
        self.page.on("pageerror", lambda error: errors.append(str(error)))
        self.page.on("request", lambda request: self.requested.append(request.url))

    def go(self, path: str) -> "Visit":
        self.page.goto(self.site.url(path))
        return self

    def tab(self, path: str = "/plain") -> "Visit":
        return Visit(self.context, self.site, self.errors).go(path)

    @property
    def button(self) -> Locator:
        return self.page.locator("rtapp-chat button")

    @property
    def chat(self) -> FrameLocator:
        return self.page.frame_locator("rtapp-chat iframe")

    @property
    def field(self) -> Locator:
        return self.chat.get_by_label("Your message")

    def open(self) -> "Visit":
        self.button.click()
        expect(self.field).to_be_visible()
        return self

    def write(self, text: str) -> None:
        self.field.fill(text)
        self.field.press("Enter")

    @property
    def token(self) -> str | None:
        return self.page.evaluate("(key) => localStorage.getItem(key)", STORED)  # type: ignore[no-any-return]

    def start(self, text: str) -> int:
        """Write the first message of a conversation, and return the conversation's id."""
        self.write(text)
        expect(self.chat.get_by_text("· Sent")).to_be_visible()
        return int(self.listed()[0]["id"])

    def listed(self) -> Any:
        eventually(lambda: self.token, "there is a token")
        return got(self.site.ours, self.token)["conversations"]

    def shows(self, *texts: str) -> None:
        """Each of these texts once, in this order, and nothing else."""
        bubbles = self.chat.locator(".message:not(:has(.dots)) .bubble")
        expect(bubbles).to_have_text([re.compile("."), *texts])  # the first is the greeting


def got(server: str, token: str | None) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    request = urllib.request.Request(f"{server}/chat/{KEY}/conversations", headers=headers)
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return json.load(answer)


Visitor = Callable[..., Visit]


@pytest.fixture
def visitor(chromium: Browser, site: Site) -> Iterator[Visitor]:
    """`visitor()` comes to the website as somebody who was never there. A script error fails the
    test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def visitor(path: str = "/plain", at: Site = site, **options: Any) -> Visit:
        context = chromium.new_context(**options)
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(OPEN_ROOTS)
        contexts.append(context)
        return Visit(context, at, errors).go(path)

    yield visitor
    for context in contexts:
        context.close()
    assert errors == []


def test_a_visitor_on_a_strict_page_and_ada_write_to_each_other(visitor, window, site):
    ada = live(window("ada", BLANK), INBOX)
    vera = visitor().open()
    expect(vera.field).to_be_focused()
    expect(vera.chat.locator("header")).to_contain_text("We are here")
    conversation = vera.start("Is the lamp in stock?")
    ada.locator(f"#conversation-{conversation}").get_by_role("link").first.click()
    expect(ada.locator("#messages")).to_contain_text("Is the lamp in stock?")
    expect(ada.locator("#contact-presence")).to_be_visible()
    vera.field.press_sequentially("And")
    expect(ada.locator("#typing")).to_contain_text("Visitor")
    ada.get_by_label("Your message").press_sequentially("We")
    expect(vera.chat.locator(".dots")).to_be_visible()
    ada.get_by_label("Your message").fill("We have two left")
    ada.get_by_role("button", name="Send").click()
    vera.shows("Is the lamp in stock?", "We have two left")
    expect(vera.field).to_have_value("And")
    expect(ada.locator("#messages .seen")).to_be_visible()
    assert [row["id"] for row in vera.listed()] == [conversation]
    vera.page.close()
    expect(ada.locator("#contact-presence")).to_be_hidden()
    ada.reload()
    expect(ada.locator("#messages")).to_contain_text("We have two left")
    assert site.url("/plain") in ada.content()


def test_pictures_go_both_ways_on_a_strict_page(visitor, window, site):
    vera = visitor().open()
    conversation = vera.start("Look at this")
    picture: Any = {"name": "lamp.png", "mimeType": "image/png", "buffer": png()}
    vera.chat.locator("input[type=file]").set_input_files(picture)
    expect(vera.chat.locator(".tray li")).to_have_count(1)
    expect(vera.chat.locator(".tray progress:visible")).to_have_count(0)
    vera.chat.get_by_role("button", name="Send").click()
    width = "naturalWidth"
    expect(vera.chat.locator(".mine .picture img")).to_have_js_property(width, 480)
    ada = live(window("ada", BLANK), f"/conversations/{conversation}")
    lamp = ada.locator("#messages").get_by_role("img", name="lamp.png")
    expect(lamp).to_have_js_property(width, 480)
    ada.get_by_label("Your message").focus()
    ada.get_by_label("Attach files").set_input_files({**picture, "buffer": png(40, 30)})
    expect(ada.get_by_text("Uploaded")).to_be_visible()
    ada.get_by_role("button", name="Send").click()
    expect(vera.chat.locator(".theirs .picture img")).to_have_js_property(width, 40)


@pytest.mark.parametrize("options", [{}, {"viewport": PHONE}], ids=["desktop", "phone"])
def test_a_closed_chat_shows_what_is_unread_until_it_is_opened(visitor, ada, options):
    vera = visitor(**options).open()
    conversation = vera.start("Hello")
    vera.chat.get_by_role("button", name="Close").click()
    expect(vera.button).to_be_focused()
    vera.page.evaluate(
        """() => {
          window.seen = [];
          rtappChat.on("message", ({ content }) => seen.push(content));
          rtappChat.on("unread", (count) => seen.push(count));
        }"""
    )
    ada.say(conversation, "One")
    expect(vera.button).to_have_accessible_name("Open chat, 1 unread")
    ada.say(conversation, "Two")
    expect(vera.button).to_have_accessible_name("Open chat, 2 unread")
    assert vera.page.evaluate("seen") == ["One", 1, "Two", 2]
    vera.page.reload()
    expect(vera.button).to_have_accessible_name("Open chat, 2 unread")  # without an opening
    vera.open()
    vera.shows("Hello", "One", "Two")
    expect(vera.page.locator("rtapp-chat button[aria-label='Close chat']")).to_have_count(1)


def test_navigation_without_loading_keeps_the_chat_and_its_draft(visitor, window, ada, site):
    vera = visitor("/turbo").open()
    conversation = vera.start("On the first page")
    vera.field.fill("Half a sen")
    vera.page.get_by_role("link", name="Two").click()
    expect(vera.page.get_by_role("heading", name="Two")).to_be_visible()
    expect(vera.field).to_have_value("Half a sen")
    ada.say(conversation, "I see you")
    vera.shows("On the first page", "I see you")
    vera.write("On the second page")
    vera.shows("On the first page", "I see you", "On the second page")
    assert len([url for url in vera.requested if url.endswith(f"/chat/{KEY}")]) == 1
    kevin = window("kevin", f"/conversations/{conversation}")
    assert site.url("/two") in kevin.content()


def test_a_page_that_wipes_itself_loses_nothing(visitor, ada):
    vera = visitor("/turbo").open()
    conversation = vera.start("Before")
    vera.field.fill("Half a sen")
    vera.page.evaluate("document.documentElement.replaceChildren(document.createElement('body'))")
    ada.say(conversation, "After")
    vera.shows("Before", "After")
    expect(vera.field).to_have_value("Half a sen")


def test_a_page_from_the_back_forward_cache_has_the_chat_that_goes_on(cached, site, ada):
    """Playwright sees no frames of such a page, so this asks the launcher and the server."""
    errors: list[str] = []
    vera = Visit(cached, site, errors).go("/plain").open()
    conversation = vera.start("Before")
    vera.page.evaluate(
        "window.seen = []; void rtappChat.on('message', ({ content }) => seen.push(content))"
    )
    vera.page.goto(site.url("/other"))
    expect(vera.button).to_be_visible()
    ada.say(conversation, "Meanwhile")
    expect(vera.button).to_have_accessible_name("Open chat, 1 unread")
    vera.page.go_back(wait_until="commit")  # a cached page does not load
    expect(vera.page.get_by_role("heading", name="Shop")).to_be_visible()
    seen = lambda: vera.page.evaluate("window.seen")  # noqa: E731
    assert seen() is not None, "the page was loaded anew, not restored"
    eventually(lambda: seen() == ["Meanwhile"], "it has what came meanwhile", observed=seen)
    ada.say(conversation, "Are you back?")
    eventually(lambda: seen() == ["Meanwhile", "Are you back?"], "it is live", observed=seen)
    focused = "document.activeElement.shadowRoot?.activeElement.localName"
    assert vera.page.evaluate(focused) == "iframe"
    vera.page.keyboard.type("Yes")
    vera.page.keyboard.press("Enter")
    texts = lambda: [row["content"] for row in ada.messages(conversation)]  # noqa: E731
    eventually(lambda: texts()[-1] == "Yes", "it is sent", observed=texts)
    assert texts() == ["Before", "Meanwhile", "Are you back?", "Yes"]
    assert errors == []


@pytest.fixture
def cached(chromium: Browser) -> Iterator[BrowserContext]:
    """A browser with the back/forward cache, which Playwright's browsers have off by default."""
    browser = chromium.browser_type.launch(
        executable_path=chromium_path(whole=True),
        args=["--no-sandbox", "--disable-gpu"],
        ignore_default_args=["--disable-back-forward-cache"],
    )
    context = browser.new_context()
    context.set_default_timeout(PATIENCE_MS)
    context.add_init_script(OPEN_ROOTS)
    yield context
    browser.close()


def test_two_tabs_of_a_website_are_one_visitor(visitor, ada):
    vera = visitor().open()
    other = vera.tab().open()
    conversation = vera.start("From the first tab")
    other.shows("From the first tab")
    assert other.token == vera.token
    other.write("From the second tab")
    other.shows("From the first tab", "From the second tab")
    ada.say(conversation, "To both")
    third = vera.tab("/other").open()
    for tab in (vera, other, third):
        tab.shows("From the first tab", "From the second tab", "To both")
    assert len(vera.listed()) == 1


def test_offline_and_a_restart_of_the_server_miss_and_double_nothing(visitor, restartable):
    vera = visitor().open()
    conversation = vera.start("Before")
    vera.context.set_offline(True)
    expect(vera.chat.locator(".bar")).to_be_visible()
    vera.write("Offline")
    restartable.say(conversation, "Are you there?")
    vera.context.set_offline(False)
    expect(vera.chat.locator(".failed, .sending")).to_have_count(0)
    expect(vera.chat.get_by_text("Are you there?", exact=True)).to_have_count(1)
    restartable.stop()
    vera.write("While it is away")
    restartable.start()
    restartable.say(conversation, "Here again")
    expect(vera.chat.get_by_text("Here again", exact=True)).to_have_count(1)
    expect(vera.chat.locator(".failed, .sending")).to_have_count(0)
    expect(vera.chat.locator(".mine .bubble")).to_have_text(
        ["Before", "Offline", "While it is away"]
    )
    vera.page.reload()
    vera.open()
    expect(vera.chat.locator(".mine .bubble")).to_have_text(
        ["Before", "Offline", "While it is away"]
    )


def test_an_identified_visitor_whose_session_is_ended_goes_on_by_a_new_proof(
    visitor, ada, prove, site
):
    vera = visitor().open()
    conversation = vera.start("As a stranger")
    user = f"user-{next(numbers)}"
    proofs = [prove(user, name="Vera V.", n=number) for number in range(3)]
    name = vera.page.evaluate(
        """async (proofs) => {
          window.asked = 0;
          return (await rtappChat.identify(() => proofs[window.asked++])).name;
        }""",
        proofs,
    )
    assert name == "Vera V."
    vera.shows("As a stranger")
    first = vera.token
    end_session(site.ours, first)
    ada.say(conversation, "Meanwhile")
    eventually(lambda: vera.token not in (None, first), "there is another session")
    vera.shows("As a stranger", "Meanwhile")
    assert vera.page.evaluate("asked") == 2
    vera.write("I am back")
    vera.shows("As a stranger", "Meanwhile", "I am back")
    assert [row["id"] for row in vera.listed()] == [conversation]


def end_session(server: str, token: str | None) -> None:
    request = urllib.request.Request(
        f"{server}/chat/{KEY}/session/delete",
        b"{}",
        {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 204


IDENTIFY = "(jwt) => rtappChat.identify(jwt).then(({ name }) => name, ({ message }) => message)"


def test_identify_and_logout_show_nobody_what_is_somebody_elses(visitor, window, prove):
    vera, zoe = f"vera-{next(numbers)}", f"zoe-{next(numbers)}"
    shared = visitor().open()
    other_tab = shared.tab().open()
    conversation = shared.start("Of Vera")
    assert shared.page.evaluate(IDENTIFY, prove(vera, name="Vera")) == "Vera"
    for tab in (shared, other_tab):
        tab.shows("Of Vera")
    ada = window("ada", f"/conversations/{conversation}")
    expect(ada.locator(".proof")).to_contain_text("Verified")
    expect(ada.locator(".thread-head")).to_contain_text("Vera")
    shared.page.evaluate("rtappChat.logout()")
    for tab in (shared, other_tab):
        tab.shows()
        assert tab.token is None
    assert shared.page.evaluate(IDENTIFY, prove(zoe, name="Zoe")) == "Zoe"
    for tab in (shared, other_tab):
        tab.shows()
    second = shared.start("Of Zoe")
    assert second != conversation
    for tab in (shared, other_tab):
        tab.shows("Of Zoe")
    home = visitor().open()  # another browser
    assert home.page.evaluate(IDENTIFY, prove(vera, name="Vera")) == "Vera"
    home.shows("Of Vera")
    assert [row["id"] for row in home.listed()] == [conversation]
    assert [row["id"] for row in shared.listed()] == [second]


@pytest.mark.parametrize("is_another", [True, False])
def test_a_draft_of_a_user_whose_session_has_ended_is_no_other_users(
    visitor, prove, site, is_another
):
    vera, zoe = f"vera-{next(numbers)}", f"zoe-{next(numbers)}"
    shared = visitor().open()
    assert shared.page.evaluate(IDENTIFY, prove(vera, name="Vera")) == "Vera"
    shared.field.fill("Of Vera")
    shared.go("/empty")
    end_session(site.ours, shared.token)
    shared.go("/plain").open()
    user = zoe if is_another else vera
    assert shared.page.evaluate(IDENTIFY, prove(user, name="Somebody")) == "Somebody"
    expect(shared.field).to_have_value("" if is_another else "Of Vera")


@pytest.mark.parametrize("is_another", [True, False])
def test_what_a_user_whose_session_has_ended_could_not_send_waits_for_their_word(
    visitor, prove, site, ada, is_another
):
    vera, zoe = f"vera-{next(numbers)}", f"zoe-{next(numbers)}"
    text = f"Of Vera {next(numbers)}"
    shared = visitor().open()
    assert shared.page.evaluate(IDENTIFY, prove(vera, name="Vera")) == "Vera"
    shared.page.route("**/chat/*/conversations", lambda route: route.abort())
    shared.field.fill(text)
    shared.field.press("Enter")
    expect(shared.chat.get_by_text("Not sent yet: no connection.")).to_be_visible()
    shared.go("/empty")
    end_session(site.ours, shared.token)
    shared.page.unroute_all()
    shared.go("/plain").open()
    expect(shared.chat.get_by_role("button", name="Try again")).to_be_visible()
    user = zoe if is_another else vera
    assert shared.page.evaluate(IDENTIFY, prove(user, name="Somebody")) == "Somebody"
    expect(shared.chat.get_by_text(text)).to_have_count(0 if is_another else 1)
    assert all(ada.newest(each)[-1]["content"] != text for each in ada.listed())


def test_each_page_may_identify_its_user_and_one_session_is_made(visitor, prove):
    """Twenty pages in an hour would be more sessions than an address may have."""
    vera, user = visitor(), f"user-{next(numbers)}"
    for _ in range(3):
        vera.go("/plain")
        assert vera.page.evaluate(IDENTIFY, prove(user, name="Vera V.")) == "Vera V."
    sessions = lambda: [u for u in vera.requested if u.endswith("/session")]  # noqa: E731
    token = vera.token
    assert (len(sessions()), token is None) == (1, False)
    vera.go("/other")
    assert vera.page.evaluate(IDENTIFY, prove(user, name="Vera W.")) == "Vera W."
    assert len(sessions()) == 2  # the website states something else
    vera.go("/other")
    assert vera.page.evaluate(IDENTIFY, prove(f"user-{next(numbers)}", name="Zoe")) == "Zoe"
    assert len(sessions()) == 3
    vera.go("/other")
    vera.page.evaluate("rtappChat.logout()")
    assert vera.page.evaluate(IDENTIFY, prove(user, name="Vera W.")) == "Vera W."
    assert len(sessions()) == 4
    stored = [f.evaluate("Object.entries(localStorage).join()") for f in vera.page.frames[1:]]
    assert "Vera" in stored[0]
    vera.page.evaluate("rtappChat.logout()")
    stored = [f.evaluate("Object.entries(localStorage).join()") for f in vera.page.frames]
    assert "Vera" not in "".join(stored)


def test_a_proof_that_does_not_hold_changes_nothing(visitor, prove):
    vera = visitor().open()
    conversation = vera.start("Mine")
    bad = [
        jwt.encode({"sub": "x", "exp": int(time.time()) + 600}, "a" * 64, "HS256"),
        jwt.encode({"sub": "x", "exp": int(time.time()) + 600}, "", "none"),
        prove("x", exp=int(time.time()) - 600),
        prove("x", exp=int(time.time()) + 7200),
        "no.jwt.at-all",
    ]
    for proof in bad:
        sentence = vera.page.evaluate(IDENTIFY, proof)
        assert len(sentence.split()) > 3, sentence
    vera.shows("Mine")
    assert [row["id"] for row in vera.listed()] == [conversation]


def test_a_website_that_is_not_allowed_gets_no_chat_but_a_link(visitor, server, site):
    with website(server, KEY) as foreign:
        lost = visitor("/plain", at=foreign)
        lost.button.click()
        link = lost.page.locator("rtapp-chat").get_by_role("link")
        expect(link).to_be_visible()
        with lost.context.expect_page() as opened:
            link.click()
        expect(opened.value.get_by_label("Your message")).to_be_visible()
    with website(server, "nosuchkey") as unknown:
        lost = visitor("/plain", at=unknown)
        lost.button.click()
        expect(lost.page.locator("rtapp-chat").get_by_role("link")).to_be_visible()


def test_page_views_request_the_script_alone_and_leave_no_row(visitor, server, site, restartable):
    shop = visitor()
    expect(shop.button).to_be_visible()
    shop.page.wait_for_load_state("networkidle")
    assert [u for u in shop.requested if u.startswith(server)] == [f"{server}/widget.js"]
    before = rows(restartable)
    assert before["contacts"] > 0
    for path in ("/widget.js", f"/chat/{KEY}"):
        for _ in range(1_000):
            with urllib.request.urlopen(server + path, timeout=PATIENCE) as answer:
                assert "Set-Cookie" not in answer.headers
                answer.read()
    shop.open()  # without a message
    assert rows(restartable) == before
    assert shop.token is None
    assert shop.context.cookies() == []


def rows(restartable: Restartable) -> dict[str, int]:
    """How many rows each table has, but those of the search's index and of the outbox."""
    with closing(sqlite3.connect(restartable.folder / "rtapp.sqlite3")) as connection:
        names = [
            name
            for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")
            if not name.startswith(("sqlite_", "search", "outbox"))
        ]
        return {
            name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            for name in names
        }


@pytest.mark.skipif(firefox_path() is None, reason="SKIPPED: no Firefox on the PATH")
def test_the_chat_opens_and_identifies_in_firefox(site, prove, tmp_path):
    with Firefox(tmp_path) as firefox:
        window = firefox.new_window()
        firefox.show(window, site.url("/plain"))
        eventually(lambda: firefox.evaluate(window, "!!window.rtappChat"), "the script is there")
        proof = json.dumps(prove(f"user-{next(numbers)}", name="Vera"))
        answer = (
            "({ name }) => { window.known = name }, ({ message }) => { window.known = message }"
        )
        firefox.evaluate(window, f"void rtappChat.identify({proof}).then({answer})")
        known = lambda: firefox.evaluate(window, "window.known")  # noqa: E731
        assert eventually(known, "the chat has answered") == "Vera"
        assert firefox.evaluate(window, f"localStorage.getItem({STORED!r})")
        firefox.evaluate(window, "rtappChat.open()")
        sheets = "document.adoptedStyleSheets.length"
        assert firefox.evaluate(window, sheets) == 1


def test_the_examples_of_the_documentation_work(visitor, prove):
    buttons, proofs, goodbye = re.findall(r"^```js\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    shop = visitor("/own")
    logged: list[str] = []
    shop.page.on("console", lambda message: logged.append(message.text))
    proof = prove(f"user-{next(numbers)}", name="Zoe Miller")
    shop.context.route("**/chat-proof", lambda route: route.fulfill(body=proof))
    shop.page.evaluate(f"async () => {{ {buttons} }}")
    shop.page.get_by_role("button", name="Ask us").click()
    expect(shop.field).to_be_focused()
    shop.page.evaluate(f"async () => {{ {proofs} }}")
    known = lambda: shop.page.title() and "The chat knows Zoe Miller." in logged  # noqa: E731
    eventually(known, "the example has its answer", observed=lambda: logged)
    assert shop.token is not None
    shop.page.evaluate(f"async () => {{ {goodbye} }}")
    shop.page.wait_for_url("**/signed-out")
    shop.go("/own")
    assert shop.token is None


def test_a_chat_that_is_removed_or_a_visitor_who_is_blocked_reads_so(
    visitor, ada, restartable, site
):
    """The last one: the chat of the inbox has another key afterwards."""
    vera = visitor().open()
    conversation = vera.start("Hello")
    contact = ada.conversation(conversation)["contact"]["id"]
    ada.post(f"/contacts/{contact}/block", blocked=True)
    expect(vera.chat.get_by_role("status").filter(has_text=re.compile("."))).to_be_visible()
    expect(vera.field).to_have_count(0)
    ada.post(f"/contacts/{contact}/block", blocked=False)
    vera.page.reload()
    vera.open()
    vera.shows("Hello")
    restartable.flask("website", "remove", "1", "--yes")
    expect(vera.field).to_have_count(0)
    vera.page.reload()
    vera.button.click()
    expect(vera.page.locator("rtapp-chat").get_by_role("link")).to_be_visible()
