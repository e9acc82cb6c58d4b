"""Customers' messages that concern a user: in the title, the icon, the bell, and by a sound."""

import re

import pytest
from playwright.sync_api import Browser
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import BLANK
from .page import act
from .page import live
from .restartable import Restartable
from .test_inbox_notices import NOTED
from .test_inbox_notices import switch_on
from .test_inbox_notices import told

LIST = "/accounts/1/conversations"
PRIYA = 4  # her conversation, of nobody


@pytest.fixture(scope="module")
def chromium(whole_chromium: Browser) -> Browser:
    return whole_chromium


class Priya:
    """The customer of a conversation."""

    def __init__(self, server: Restartable):
        self._server = server
        self._token = server.flask("token", "visitor", "priya.nair@example.com")

    def write(self, content: str) -> None:
        self._server.post(self._token, f"/conversations/{PRIYA}/messages", content=content)


@pytest.fixture
def priya(restartable) -> Priya:
    return Priya(restartable)


@pytest.fixture
def kevin(window, ada) -> Page:
    """Kevin's list, with nothing unread that concerns him."""
    ada.post(f"/conversations/{PRIYA}/status", status="open")
    ada.post(f"/conversations/{PRIYA}/assignee", assignee_id=None)
    page = window("kevin")
    act(page, "/accounts/1/notifications/read")
    act(page, "/accounts/1/alerts", alerts="mine_and_unassigned")
    for row in page.locator("#conversations > .row").all():
        id = (row.get_attribute("id") or "").removeprefix("conversation-")
        newest = ada.newest(int(id))[-1]["id"]
        act(page, f"/conversations/{id}/read", message_id=newest)
    live(page, LIST)
    expect(page).to_have_title(re.compile(r"^\w"))
    return page


def icon(page: Page) -> str:
    return page.locator("link[rel=icon]").get_attribute("href") or ""


def test_a_message_in_an_unassigned_conversation_counts_until_it_is_read(kevin, priya):
    assert "alert" not in icon(kevin)
    priya.write("Is anybody there?")
    expect(kevin).to_have_title(re.compile(r"^\(1\) "))
    priya.write("Hello?")
    expect(kevin.locator(f"#conversation-{PRIYA} .badge")).to_contain_text("2")
    expect(kevin).to_have_title(re.compile(r"^\(1\) "))  # one conversation
    assert "alert" in icon(kevin)
    kevin.locator("#notifications-menu summary").click()
    expect(kevin.locator("#news")).to_have_text("Unread, unassigned: 1")
    kevin.locator("#news").click()
    kevin.wait_for_url("**?assignee=none")
    kevin.locator(f"#conversation-{PRIYA} a").click()
    expect(kevin).to_have_title(re.compile(r"^\w"))
    assert "alert" not in icon(kevin)
    expect(kevin.locator("#news")).to_be_hidden()


def test_by_choice_a_user_is_alerted_of_all_conversations_or_of_their_own_only(kevin, priya, ada):
    ada.post(f"/conversations/{PRIYA}/assignee", assignee_id=1)
    priya.write("To Ada")
    expect(kevin.locator(f"#conversation-{PRIYA} .badge")).to_contain_text("1")
    expect(kevin).to_have_title(re.compile(r"^\w"))
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="In all of my inboxes").click()
    expect(kevin).to_have_title(re.compile(r"^\(1\) "))
    kevin.reload()
    expect(kevin).to_have_title(re.compile(r"^\(1\) "))
    expect(kevin.locator("#alerts [aria-pressed=true]")).to_have_text("In all of my inboxes")
    ada.post(f"/conversations/{PRIYA}/assignee", assignee_id=None)
    kevin.locator("#me-menu summary").click()
    kevin.get_by_role("button", name="In mine only").click()
    expect(kevin).to_have_title(re.compile(r"^\w"))


def test_a_note_and_a_colleagues_reply_do_not_count(kevin, ada, priya):
    ada.say(PRIYA, "A note", private=True)
    ada.say(PRIYA, "A reply")
    expect(kevin.locator(f"#conversation-{PRIYA}")).to_contain_text("A reply")
    priya.write("An answer")
    expect(kevin.locator(f"#conversation-{PRIYA} .badge")).to_contain_text("1")


def test_a_message_that_concerns_the_user_sounds_in_one_tab_and_another_one_does_not(
    window, kevin, ada, priya
):
    context = kevin.context
    context.grant_permissions(["notifications"])
    context.add_init_script(NOTED)
    tabs = [kevin, context.new_page()]
    for page in tabs:
        live(page, LIST)
        page.evaluate("look(false)")
    switch_on(tabs[0], "Sound", "Desktop notifications")
    ada.post(f"/conversations/{PRIYA}/assignee", assignee_id=1)
    priya.write("To Ada")
    for page in tabs:
        expect(page.locator(f"#conversation-{PRIYA} .badge")).to_contain_text("1")
    ada.post(f"/conversations/{PRIYA}/assignee", assignee_id=None)
    for number in (1, 2):
        priya.write("To anybody")
        eventually(lambda number=number: told(tabs)[0] >= number)
    assert told(tabs) == (2, ["Priya Nair wrote · Unassigned"] * 2)


@pytest.fixture
def long_answer(priya, ada) -> int:
    """Thirty messages of the customer after the first reply. Return the id of the first."""
    ada.say(PRIYA, "How can I help?")
    for n in range(30):
        priya.write(f"Line {n}\n" * 6)
    return int(ada.newest(PRIYA)[-30]["id"])


def unread(page: Page) -> int:
    return int(page.locator(f"#conversation-{PRIYA} .badge").get_attribute("data-count") or 0)


def test_a_thread_opens_at_what_is_unread_and_only_what_was_on_the_screen_is_read(
    kevin, window, long_answer
):
    other = live(window("kevin", BLANK), LIST)
    expect(other.locator(f"#conversation-{PRIYA} .badge")).to_contain_text("30")
    with kevin.expect_response("**/read"):
        live(kevin, f"/conversations/{PRIYA}")
    expect(kevin.locator(f"#message-{long_answer}")).to_be_in_viewport()
    expect(kevin.locator("#messages > .message").last).not_to_be_in_viewport()
    assert unread(other) > 20
    scroller = kevin.locator("#thread-scroll")
    while scroller.evaluate("scroller => scroller.scrollTop") < 0:
        scroller.evaluate(
            """async (scroller) => {
              scroller.scrollBy(0, scroller.clientHeight / 3);
              await new Promise(requestAnimationFrame);
              await new Promise(requestAnimationFrame);
            }"""
        )
    expect(other.locator(f"#conversation-{PRIYA} .badge")).to_be_hidden()


def test_what_was_jumped_over_stays_unread(kevin, window, priya, long_answer):
    other = live(window("kevin", BLANK), LIST)
    with kevin.expect_response("**/read"):
        live(kevin, f"/conversations/{PRIYA}")
    kevin.get_by_role("button", name="Jump to latest").click()
    expect(kevin.locator("#messages > .message").last).to_be_in_viewport()
    priya.write("The last")
    expect(other.locator(f"#conversation-{PRIYA}")).to_contain_text("The last")
    assert unread(other) > 20
    act(kevin, f"/conversations/{PRIYA}/messages", content="Enough", private=True)
    expect(kevin.locator("#messages")).to_contain_text("Enough")
    expect(other.locator(f"#conversation-{PRIYA} .badge")).to_be_hidden()  # who writes has read
