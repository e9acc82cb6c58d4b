"""The chat of visitors, with an agent beside it: nothing is missed, nothing doubled, and every
failure shows."""

import re
from collections.abc import Callable
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from http.server import ThreadingHTTPServer
from itertools import count
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import BrowserContext
from playwright.sync_api import FrameLocator
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import Route
from playwright.sync_api import expect

from .conftest import PATIENCE_MS
from .page import BLANK
from .page import live
from .test_inbox_safe import axe
from .test_links import complaints
from .writer import Writer

__all__ = ["axe"]

CHAT = "/chat/demo"
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 420, "height": 700}
PROBLEM = "application/problem+json"
HOSTILE = '<img src=x onerror="window.hacked=1"> javascript:alert(1) <b>bold</b>'
numbers = count(1)

Visitor = Callable[..., Page]


@pytest.fixture
def visitor(chromium: Browser, server: str) -> Iterator[Visitor]:
    """`visitor()` opens the chat as somebody who was never here; `visitor(page)` in another tab of
    that one's browser. A script error fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def come(beside: Page | None = None, path: str = CHAT, **options: Any) -> Page:
        if beside is None:
            context = chromium.new_context(**{"base_url": server, "viewport": DESKTOP, **options})
            context.set_default_timeout(PATIENCE_MS)
            contexts.append(context)
        else:
            context = beside.context
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path)
        return page

    yield come
    for context in contexts:
        context.close()
    assert errors == []


def field(page: Page) -> Locator:
    return page.get_by_label("Your message")


def bubbles(page: Page) -> Locator:
    return page.locator(".message:not(:has(.dots)) .bubble")


def written(page: Page) -> Locator:
    """The visitor's own messages."""
    return page.locator(".mine .bubble")


def write(page: Page, text: str) -> None:
    field(page).fill(text)
    page.keyboard.press("Enter")


def start(page: Page, text: str = "") -> int:
    """Write the first message of a conversation, and return the conversation's id."""
    write(page, text or f"Question {next(numbers)}")
    expect(page.get_by_text("· Sent")).to_be_visible()
    answer = page.request.get(
        f"{CHAT}/conversations", headers={"Authorization": f"Bearer {token(page)}"}
    )
    return int(answer.json()["conversations"][0]["id"])


def token(page: Page) -> str:
    return str(page.evaluate("localStorage.getItem('rtapp.chat.demo')"))


def texts(page: Page) -> list[str]:
    return bubbles(page).all_inner_texts()


def test_a_visitor_and_an_agent_write_to_each_other_and_see_each_other_type(visitor, window):
    vera = visitor()
    expect(vera.get_by_text("We are not here right now")).to_be_visible()
    expect(field(vera)).to_be_focused()
    ada = live(window("ada", BLANK), "/accounts/1/conversations")
    vera.reload()
    expect(vera.locator("header")).to_contain_text("We are here")
    conversation = start(vera, "Is the lamp in stock?\nThe green one")
    row = ada.locator(f"#conversation-{conversation}")
    expect(row).to_contain_text("Is the lamp in stock?")
    row.get_by_role("link").first.click()
    expect(ada.locator("#messages")).to_contain_text("The green one")
    field(vera).press_sequentially("And")
    expect(ada.locator("#typing")).to_contain_text("Visitor")
    ada.get_by_label("Your message").press_sequentially("We")
    expect(vera.locator(".dots")).to_be_visible()
    ada.get_by_label("Your message").fill("We have two left")
    ada.get_by_role("button", name="Send").click()
    expect(bubbles(vera)).to_have_text(
        [re.compile("How can we help"), "Is the lamp in stock?\nThe green one", "We have two left"]
    )
    expect(vera.locator(".dots")).to_have_count(0)
    expect(vera.get_by_role("heading", level=1)).to_have_text("Ada")
    expect(field(vera)).to_have_value("And")


def test_a_private_note_never_reaches_the_visitor(visitor, ada):
    vera = visitor()
    conversation = start(vera, "Hello")
    ada.say(conversation, "She is the one of last week", private=True)
    ada.say(conversation, "Hello Vera")
    expect(bubbles(vera).last).to_have_text("Hello Vera")
    vera.reload()
    expect(bubbles(vera).last).to_have_text("Hello Vera")
    assert "last week" not in vera.content()


def test_presence_of_an_agent_comes_and_goes_in_the_open_chat(visitor, window):
    vera = visitor()
    start(vera)
    expect(vera.locator("header")).to_contain_text("We'll be back soon")
    ada = live(window("ada", BLANK), "/accounts/1/conversations")
    expect(vera.locator("header")).to_contain_text("We are here")
    ada.close()
    expect(vera.locator("header")).to_contain_text("We'll be back soon")


def test_a_reload_keeps_the_conversation_and_what_is_being_written(visitor, ada):
    vera = visitor()
    conversation = start(vera, "First")
    ada.say(conversation, "Second")
    expect(bubbles(vera).last).to_have_text("Second")
    field(vera).fill("Half a sen")
    shown = texts(vera)
    vera.reload()
    expect(bubbles(vera)).to_have_text(shown)
    expect(field(vera)).to_have_value("Half a sen")


def test_a_second_tab_is_the_same_visitor_and_both_show_each_message_once(visitor, ada):
    vera = visitor()
    other = visitor(vera)
    conversation = start(vera, "From the first tab")
    expect(written(other)).to_have_text(["From the first tab"])
    assert token(other) == token(vera)
    write(other, "From the second tab")
    expect(written(vera)).to_have_count(2)
    ada.say(conversation, "To both")
    for page in (vera, other):
        expect(bubbles(page)).to_have_text(
            [re.compile("."), "From the first tab", "From the second tab", "To both"]
        )


def test_offline_shows_and_what_is_written_meanwhile_arrives_once(visitor, ada):
    vera = visitor()
    conversation = start(vera, "Before")
    vera.context.set_offline(True)
    expect(vera.locator(".bar")).to_contain_text("No connection")
    write(vera, "One")
    write(vera, "Two")
    expect(vera.get_by_text("Not sent yet: no connection.")).to_be_visible()
    ada.say(conversation, "Are you there?")
    vera.context.set_offline(False)
    expect(vera.locator(".bar")).to_be_hidden()
    expect(written(vera)).to_have_text(["Before", "One", "Two"])
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    expect(vera.get_by_text("Are you there?")).to_have_count(1)
    stored = [row["content"] for row in ada.messages(conversation)]
    assert sorted(stored) == sorted(["Before", "One", "Two", "Are you there?"])


def test_a_thread_that_cant_be_loaded_says_so_keeps_the_field_and_comes_by_itself(visitor, ada):
    vera = visitor()
    conversation = start(vera, "Before")
    vera.get_by_role("button", name="All conversations").click()
    ada.say(conversation, "Are you there?")
    vera.route("**/conversations/*/messages*", lambda route: route.abort())
    vera.reload()
    expect(vera.locator(".bar")).to_contain_text("No connection")
    field(vera).fill("Half a sentence")
    vera.unroute_all()
    expect(written(vera)).to_have_text(["Before"])
    expect(bubbles(vera).last).to_have_text("Are you there?")
    expect(vera.locator(".bar")).to_be_hidden()
    expect(field(vera)).to_have_value("Half a sentence")


def test_a_server_that_restarts_misses_and_doubles_nothing(visitor, restartable):
    vera = visitor()
    conversation = start(vera, "Before")
    restartable.stop()
    write(vera, "Meanwhile")
    expect(vera.get_by_text("Not sent yet: no connection.")).to_be_visible()
    restartable.start()
    restartable.say(conversation, "Welcome back")
    expect(written(vera)).to_have_text(["Before", "Meanwhile"])
    expect(vera.get_by_text("Welcome back")).to_have_count(1)
    expect(vera.locator(".failed, .sending")).to_have_count(0)


def test_what_is_not_sent_survives_a_reload_with_its_id(visitor, ada):
    vera = visitor()
    lost: list[str] = []

    def lose(route: Route) -> None:
        lost.append(route.request.post_data_json["client_id"])
        route.abort()

    vera.route(
        f"**{CHAT}/conversations",
        lambda route: lose(route) if route.request.method == "POST" else route.fallback(),
    )
    write(vera, "Please keep me")
    expect(vera.get_by_text("Not sent yet: no connection.")).to_be_visible()
    write(vera, "And me")
    vera.unroute_all()
    vera.reload()
    expect(written(vera)).to_have_text(["Please keep me", "And me"])
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    threads = [ada.newest(conversation) for conversation in ada.listed()]
    (thread,) = [rows for rows in threads if rows[-1]["content"] == "And me"]
    assert thread[-2]["client_id"] == lost[0]


def test_a_chat_that_loads_again_while_it_sends_makes_one_conversation_of_two_messages(
    visitor, ada
):
    vera = visitor()
    held: list[Route] = []

    def asked(route: Route) -> None:
        if route.request.method == "POST" and phase > 1:
            held.append(route)
        elif phase < 3:
            route.abort()
        else:
            route.continue_()

    phase = 1  # nothing arrives
    vera.route(f"**{CHAT}/conversations", asked)
    write(vera, "The first")
    write(vera, "The second")
    expect(vera.get_by_text("Not sent yet: no connection.")).to_have_count(1)
    phase = 2  # what is sent is not answered, and the list can't be loaded
    with vera.expect_request(lambda request: request.method == "POST"):
        vera.reload()
    expect(vera.get_by_text("The chat could not be loaded.")).to_be_visible()
    phase = 3  # it loads again, and the answer comes after that
    expect(field(vera)).to_be_visible()
    held[0].continue_()
    expect(written(vera)).to_have_text(["The first", "The second"])
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    answer = vera.request.get(
        f"{CHAT}/conversations", headers={"Authorization": f"Bearer {token(vera)}"}
    )
    assert len(answer.json()["conversations"]) == 1


def test_after_the_end_of_a_conversation_a_new_one_begins_and_the_list_has_both(visitor, ada):
    vera = visitor()
    first = start(vera, "The first matter")
    ada.say(first, "Solved")
    ada.post(f"/conversations/{first}/status", status="resolved")
    expect(vera.get_by_text("This conversation is closed.")).to_be_visible()
    vera.get_by_role("button", name="New conversation").click()
    expect(field(vera)).to_be_focused()
    second = start(vera, "The second matter")
    assert second != first
    vera.get_by_role("button", name="All conversations").click()
    rows = vera.locator(".row")
    expect(rows).to_have_count(2)
    expect(rows.first).to_contain_text("The second matter")
    expect(rows.last).to_contain_text("closed")
    ada.say(second, "Answer to the second")
    expect(rows.first).to_contain_text("Answer to the second")
    expect(rows.first.locator(".count")).to_have_text("1")
    expect(vera).to_have_title("(1) Acme")
    rows.first.click()
    expect(bubbles(vera).last).to_have_text("Answer to the second")
    expect(vera).to_have_title("Acme")
    vera.get_by_role("button", name="All conversations").click()
    expect(rows.first.locator(".count")).to_have_count(0)
    rows.last.click()
    vera.get_by_role("button", name="Write here again").click()
    write(vera, "Not solved")
    expect(vera.get_by_text("· Sent")).to_be_visible()
    assert ada.conversation(first)["status"] == "open"


def test_an_agents_view_shows_how_far_the_visitor_has_read(visitor, ada):
    vera = visitor()
    conversation = start(vera, "Hello")
    with vera.expect_request(re.compile(rf"/conversations/{conversation}/read$")) as read:
        message = ada.say(conversation, "Hello Vera")
    assert read.value.post_data_json == {"message_id": message}


def test_a_deleted_message_leaves_and_an_edited_one_changes(visitor, ada):
    vera = visitor()
    conversation = start(vera)
    wrong, secret = ada.say(conversation, "It costs 10"), ada.say(conversation, "The password is")
    expect(bubbles(vera).last).to_have_text("The password is")
    ada.post(f"/messages/{wrong}", content="It costs 12")
    ada.post(f"/messages/{secret}/delete")
    expect(vera.get_by_text("It costs 12")).to_be_visible()
    expect(vera.get_by_text("edited")).to_be_visible()
    expect(vera.get_by_text("The password is")).to_have_count(0)
    expect(vera.get_by_text("This message was deleted.")).to_be_visible()
    vera.reload()
    expect(vera.get_by_text("This message was deleted.")).to_be_visible()
    expect(vera.get_by_text("It costs 12")).to_be_visible()
    assert "The password is" not in vera.content()


def test_earlier_messages_load_by_scrolling_in_their_order(visitor, ada):
    vera = visitor()
    conversation = start(vera, "Number 0")
    for number in range(1, 121):
        ada.say(conversation, f"Number {number}")
    expect(bubbles(vera).last).to_have_text("Number 120")
    vera.reload()
    expect(bubbles(vera).last).to_be_in_viewport()
    expect(bubbles(vera)).to_have_count(50)
    for loaded in (100, 122):  # with the greeting
        vera.locator("main").evaluate("(main) => (main.scrollTop = 0)")
        expect(bubbles(vera)).to_have_count(loaded)
    assert texts(vera)[1:] == [f"Number {number}" for number in range(121)]


def test_texts_are_texts_and_links_open_safely(visitor, ada):
    vera = visitor()
    conversation = start(vera, HOSTILE)
    ada.say(
        conversation, f"{HOSTILE} See https://example.com/a?b=1&c=(2), (https://example.com/d)."
    )
    links = vera.locator(".bubble a")
    expect(links).to_have_count(2)
    expect(bubbles(vera).last).to_contain_text(HOSTILE)
    assert links.all_inner_texts() == ["https://example.com/a?b=1&c=(2)", "https://example.com/d"]
    for link in links.all():
        assert link.get_attribute("href") == link.inner_text()
        assert link.get_attribute("target") == "_blank"
        assert {"noopener", "noreferrer"} <= set((link.get_attribute("rel") or "").split())
    assert vera.locator(".bubble img, .bubble b").count() == 0
    assert vera.evaluate("window.hacked") is None


def test_enter_sends_shift_enter_is_a_line_and_a_composition_is_not_cut(visitor):
    vera = visitor()
    field(vera).press_sequentially("One")
    vera.keyboard.press("Shift+Enter")
    field(vera).press_sequentially("Two")
    field(vera).dispatch_event("keydown", {"key": "Enter", "isComposing": True})
    expect(written(vera)).to_have_count(0)
    expect(vera.get_by_role("button", name="Send")).to_be_enabled()
    vera.keyboard.press("Enter")
    expect(written(vera)).to_have_text(["One\nTwo"])
    expect(vera.get_by_role("button", name="Send")).to_be_disabled()


def test_an_address_is_asked_for_while_nobody_is_there_and_reaches_the_agents(visitor, ada):
    vera = visitor()
    start(vera, "Is anybody there?")
    address = vera.get_by_label("Where can we reach you")
    address.fill("no address")
    vera.get_by_role("button", name="Save").click()
    expect(vera.get_by_text("That is no email address.")).to_be_visible()
    address.fill("vera@example.com")
    vera.get_by_role("button", name="Save").click()
    expect(vera.get_by_text("We can write to you at vera@example.com.")).to_be_visible()
    vera.reload()
    expect(written(vera)).to_have_count(1)
    expect(address).to_have_count(0)


# Failures


def refuse(page: Page, path: str, status: int, **headers: str) -> None:
    """Have POSTs to the path refused."""

    def answer(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
        else:
            headers_of_it = {"Content-Type": PROBLEM, **headers}
            route.fulfill(status=status, headers=headers_of_it, body="{}")

    page.route(f"**{path}", answer)


def test_too_fast_shows_the_time_and_is_sent_by_itself(visitor):
    vera = visitor()
    conversation = start(vera)
    path = f"/conversations/{conversation}/messages"
    refuse(vera, path, 429, **{"Retry-After": "3"})
    write(vera, "Quick")
    expect(
        vera.get_by_text(re.compile(r"A little too fast: it is sent in [123] s\."))
    ).to_be_visible()
    vera.unroute_all()
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    expect(written(vera).last).to_have_text("Quick")


def test_a_message_that_is_refused_stays_can_be_tried_again_or_mended(visitor, ada):
    vera = visitor()
    conversation = start(vera)
    refuse(vera, f"/conversations/{conversation}/messages", 422)
    write(vera, "Wrong")
    expect(vera.get_by_text("This could not be sent")).to_be_visible()
    vera.get_by_role("button", name="Try again").click()
    expect(vera.get_by_text("This could not be sent")).to_be_visible()
    vera.get_by_role("button", name="Delete").click()
    expect(field(vera)).to_have_value("Wrong")
    vera.unroute_all()
    write(vera, "Right")
    expect(vera.locator(".failed, .sending")).to_have_count(0)
    assert [row["content"] for row in ada.newest(conversation)][1:] == ["Right"]


def test_a_visitor_who_is_blocked_reads_it_and_comes_back_when_they_are_not(visitor, ada):
    vera = visitor()
    conversation = start(vera)
    contact = ada.conversation(conversation)["contact"]["id"]
    ada.post(f"/contacts/{contact}/block", blocked=True)
    expect(vera.get_by_text("You can't write here any more.")).to_be_visible()
    expect(field(vera)).to_have_count(0)
    expect(bubbles(vera)).to_have_count(0)
    ada.post(f"/contacts/{contact}/block", blocked=False)
    vera.get_by_role("button", name="Try again").click()
    expect(written(vera).first).to_be_visible()


def test_a_session_that_has_ended_begins_anew(visitor):
    vera = visitor()
    start(vera, "An old matter")
    vera.request.post(
        f"{CHAT}/session/delete", data={}, headers={"Authorization": f"Bearer {token(vera)}"}
    )
    expect(vera.locator(".bar")).to_contain_text("this is a new conversation")
    expect(vera.get_by_text("An old matter")).to_have_count(0)
    assert token(vera) == "None"
    start(vera, "A new matter")
    expect(written(vera)).to_have_text(["A new matter"])


def test_a_website_that_is_removed_while_the_chat_is_open_says_so(visitor):
    vera = visitor()
    start(vera)
    gone = {"Content-Type": PROBLEM}
    vera.route(
        f"**{CHAT}/conversations", lambda route: route.fulfill(status=404, headers=gone, body="{}")
    )
    vera.reload()
    expect(vera.get_by_text("This chat is not here any more.")).to_be_visible()
    expect(field(vera)).to_have_count(0)


def test_a_chat_that_cant_be_loaded_says_so_and_comes_by_itself(visitor):
    vera = visitor()
    start(vera, "Hello")
    vera.route(f"**{CHAT}/conversations", lambda route: route.abort())
    vera.reload()
    expect(vera.get_by_text("The chat could not be loaded.")).to_be_visible()
    vera.unroute_all()
    expect(written(vera)).to_have_text(["Hello"])


REFUSE = "throw new DOMException('no', 'SecurityError')"


@pytest.mark.parametrize(
    "script",
    [
        f"Object.defineProperty(window, 'localStorage', {{ get() {{ {REFUSE} }} }});",
        f"navigator.locks.request = async () => {{ {REFUSE} }};",
        f"window.BroadcastChannel = class {{ constructor() {{ {REFUSE} }} }};",
    ],
    ids=["storage", "locks", "channels"],
)
def test_a_browser_that_denies_storage_locks_or_channels_still_chats(visitor, ada, script):
    """As private windows do it in a frame of another site."""
    vera = visitor(path="/chat/unknown")
    vera.add_init_script(script)
    vera.goto(CHAT)
    write(vera, "Hello")
    expect(vera.get_by_text("· Sent")).to_be_visible()
    ada.say(ada.listed()[0], "Hello Vera")
    expect(bubbles(vera).last).to_have_text("Hello Vera")


# What it looks like


def test_the_language_is_that_of_the_link_and_right_to_left_texts_keep_their_direction(visitor):
    vera = visitor(path=f"{CHAT}?lang=de")
    expect(vera.locator("html")).to_have_attribute("lang", "de")
    vera.get_by_label("Ihre Nachricht").fill("مرحبا")
    vera.keyboard.press("Enter")
    expect(vera.get_by_text("· Gesendet")).to_be_visible()
    assert written(vera).evaluate("(bubble) => getComputedStyle(bubble).direction") == "rtl"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_needs_no_sideways_scrolling(visitor, ada, axe, scheme):
    vera = visitor(viewport=PHONE, color_scheme=scheme)
    expect(field(vera)).to_be_visible()
    assert complaints(vera, axe) == []
    conversation = start(vera, "W" * 300)
    ada.say(conversation, f"https://example.com/{'w' * 300}")
    expect(vera.locator(".bubble a")).to_be_visible()
    expect(vera.get_by_label("Where can we reach you")).to_be_visible()
    assert complaints(vera, axe) == []
    ada.post(f"/conversations/{conversation}/status", status="resolved")
    expect(vera.get_by_text("This conversation is closed.")).to_be_visible()
    assert complaints(vera, axe) == []
    vera.get_by_role("button", name="All conversations").click()
    expect(vera.locator(".row")).to_be_visible()
    assert complaints(vera, axe) == []
    width = vera.evaluate("document.documentElement.scrollWidth")
    assert width == PHONE["width"]


def test_the_keyboard_reaches_everything_and_the_focus_shows(visitor, ada):
    vera = visitor()
    start(vera)
    names = []
    vera.locator("body").evaluate("(body) => document.activeElement.blur()")
    for _ in range(8):
        vera.keyboard.press("Tab")
        names.append(
            vera.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")
        )
        outline = vera.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert (
            outline != "none"
            or names[-1] == ""
            or vera.evaluate("document.activeElement.localName") in ("body", "main")
        )
    assert {"All conversations", "Turn the sound off", "Your message"} <= set(names)


def test_the_sound_stays_off_once_it_is_turned_off(visitor):
    vera = visitor()
    vera.get_by_role("button", name="Turn the sound off").click()
    vera.reload()
    expect(vera.get_by_role("button", name="Turn the sound on")).to_be_visible()


def test_without_scripts_the_page_is_a_form(visitor, ada, axe):
    vera = visitor(java_script_enabled=False, viewport=PHONE)
    field(vera).fill("Is this lamp green?")
    vera.get_by_label("Your email address").fill("vera@example.com")
    vera.get_by_role("button", name="Send").click()
    expect(vera.get_by_text("Your message is sent.")).to_be_visible()
    conversation = ada.listed()[0]
    ada.say(conversation, "It is")
    vera.get_by_role("link", name="Look for an answer").click()
    expect(vera.locator(".theirs .bubble")).to_have_text(["It is"])


# In a frame of a website

LAUNCHER = """<!doctype html><title>Shop</title>
<iframe id="frame" src="%s/chat/demo" width="400" height="600"></iframe>
<script>
  window.got = [];
  addEventListener("message", ({ data, origin, source }) => {
    if (data?.rtapp !== "hello" || source !== frame.contentWindow) return;
    const { port1, port2 } = new MessageChannel();
    window.port = port1;
    port1.onmessage = ({ data }) => {
      window.got.push(data);
      if (data.type === "token") localStorage.token = data.token ?? "";
    };
    frame.contentWindow.postMessage({ rtapp: "session" }, origin, [port2]);
    const { token } = localStorage;
    port1.postMessage({ type: "session", token, page: location.href, language: "%s", open: true });
  });
</script>"""


class Shop(ThreadingHTTPServer):
    """A website with the chat in a frame, on an origin of its own."""

    def __init__(self, chat: str, host: str = "localhost"):
        body = (LAUNCHER % (chat, "en")).encode()

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        super().__init__(("127.0.0.1", 0), Answer)
        self.origin = f"http://{host}:{self.server_port}"


@pytest.fixture
def shop(server: str, ada: Writer) -> Iterator[Shop]:
    with Shop(server) as shop:
        thread = Thread(target=shop.serve_forever)
        thread.start()
        ada.post("/inboxes/1/website/settings", origins=[shop.origin])
        yield shop
        shop.shutdown()
        thread.join()


def framed(page: Page, shop: Shop) -> FrameLocator:
    """Open the website's page, and return the chat in it."""
    page.goto(f"{shop.origin}/lamps")
    return page.frame_locator("#frame")


def got(page: Page, kind: str) -> list[dict[str, Any]]:
    return page.evaluate("(kind) => window.got.filter(({ type }) => type === kind)", kind)


def test_in_a_frame_the_website_keeps_the_token_and_hears_what_happens(visitor, server, ada, shop):
    vera = visitor(path=BLANK)
    frame = framed(vera, shop)
    frame.get_by_label("Your message").fill("From the shop")
    frame.get_by_label("Your message").press("Enter")
    expect(frame.get_by_text("· Sent")).to_be_visible()
    kept = vera.evaluate("localStorage.token")
    assert kept.startswith("rtapp_c")
    conversation = ada.listed()[0]
    vera.evaluate("port.postMessage({ type: 'close' })")
    ada.say(conversation, "To the shop")
    vera.wait_for_function("got.some(({ type, count }) => type === 'unread' && count === 1)")
    assert [each["message"]["content"] for each in got(vera, "message")] == ["To the shop"]
    vera.evaluate("port.postMessage({ type: 'open' })")
    vera.wait_for_function("got.at(-1).type === 'unread' && got.at(-1).count === 0")
    frame.locator("textarea").press("Escape")
    vera.wait_for_function("got.some(({ type }) => type === 'close')")
    vera.reload()
    expect(frame.locator(".bubble").last).to_have_text("To the shop")
    assert vera.evaluate("localStorage.token") == kept


def test_logging_out_leaves_nothing_on_the_screen_and_ends_the_token(visitor, server, ada, shop):
    vera = visitor(path=BLANK)
    frame = framed(vera, shop)
    frame.get_by_label("Your message").fill("My secret")
    frame.get_by_label("Your message").press("Enter")
    expect(frame.get_by_text("· Sent")).to_be_visible()
    former = vera.evaluate("localStorage.token")
    frame.get_by_label("Your message").fill("My draft")
    vera.evaluate("port.postMessage({ type: 'logout' })")
    vera.wait_for_function("got.at(-1).type === 'loggedOut'")
    expect(frame.get_by_text("My secret")).to_have_count(0)
    expect(frame.get_by_label("Your message")).to_have_value("")
    assert vera.evaluate("localStorage.token") == ""
    answer = vera.request.get(
        f"{server}{CHAT}/conversations", headers={"Authorization": f"Bearer {former}"}
    )
    assert answer.status == 401
    vera.reload()
    expect(frame.get_by_label("Your message")).to_have_value("")


def test_a_logout_leaves_nothing_on_the_screen_of_another_tab(visitor, server, ada, shop):
    vera = visitor(path=BLANK)
    frame = framed(vera, shop)
    frame.get_by_label("Your message").fill("My secret")
    frame.get_by_label("Your message").press("Enter")
    expect(frame.get_by_text("· Sent")).to_be_visible()
    other = visitor(vera, path=BLANK)
    beside = framed(other, shop)
    expect(beside.get_by_text("My secret")).to_be_visible()
    beside.get_by_label("Your message").fill("My draft")
    vera.evaluate("port.postMessage({ type: 'logout' })")
    vera.wait_for_function("got.at(-1).type === 'loggedOut'")
    expect(beside.get_by_text("My secret")).to_have_count(0)
    expect(beside.get_by_label("Your message")).to_have_value("")


def test_an_origin_that_is_not_the_websites_gets_no_frame(visitor, ada, shop):
    vera = visitor(path=BLANK)
    frame = framed(vera, shop)
    expect(frame.get_by_label("Your message")).to_be_visible()  # the precondition
    ada.post("/inboxes/1/website/settings", origins=["https://other.example"])
    framed(vera, shop)
    vera.wait_for_load_state()
    assert vera.frames[-1].url.startswith("chrome-error:")
    assert vera.evaluate("window.got") == []
    assert vera.evaluate("window.port") is None


def test_a_page_that_is_no_website_of_ours_gets_no_answer_from_the_chat(visitor, server):
    vera = visitor()
    expect(field(vera)).to_be_visible()
    vera.evaluate(
        """() => {
          const { port1, port2 } = new MessageChannel();
          window.got = [];
          port1.onmessage = ({ data }) => window.got.push(data);
          postMessage({ rtapp: "session" }, "*", [port2]);
          port1.postMessage({ type: "logout" });
        }"""
    )
    start(vera, "Still here")
    assert vera.evaluate("window.got") == []
