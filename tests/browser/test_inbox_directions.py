"""Bidirectional controls in users' text do not turn around what stands beside it."""

import sqlite3

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live

# An unmatched PDI closes the isolate of a plain <bdi>; the override would then reach beyond it.
HOSTILE = "Mal\u2069\u2069\u202elory"
ALIKE = "Mal\u202elory"

# The texts of which two letters stand in the wrong order on their line. Only our own are looked at:
# those without a control.
TURNED = """() => {
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode()); ) {
    if (/[^\\x20-\\x7e…·“”→↓↑]/.test(node.data) || !/\\w/.test(node.data)) continue;
    let before = null;
    for (let at = 0; at < node.length; at++) {
      const range = document.createRange();
      range.setStart(node, at);
      range.setEnd(node, at + 1);
      const box = range.getBoundingClientRect();
      if (box.width === 0 || /\\s/.test(node.data[at])) continue;
      if (before && Math.abs(box.top - before.top) < 2 && box.left < before.left) {
        found.push(node.data);
        break;
      }
      before = box;
    }
  }
  return found;
}"""
# The attributes and titles that have a control without an isolate around it.
OPEN = """() => {
  const isOpen = (text) => {
    let depth = 0;
    for (const c of text) {
      if (/[\\u2066-\\u2068]/.test(c)) depth++;
      else if (c === "\\u2069") depth--;
      else if (/[\\u202a-\\u202e]/.test(c) && depth === 0) return true;
      if (depth < 0) return true;
    }
    return depth !== 0;
  };
  const texts = [...document.querySelectorAll("[title], [aria-label], [placeholder]")]
    .flatMap((e) => [e.title, e.ariaLabel, e.placeholder])
    .filter((text) => text && text !== HOSTILE);
  return [document.title, ...texts].filter(isOpen);
}"""


@pytest.fixture
def hostile(restartable) -> None:
    """Names, as rows of an older version may have them."""
    with sqlite3.connect(restartable.folder / "rtapp.sqlite3", timeout=30) as database:
        for table in ("users", "contacts", "inboxes", "accounts"):
            database.execute(f"UPDATE {table} SET name = ? WHERE id <= 2", [HOSTILE])
    database.close()


def turned(page: Page) -> list[str]:
    found: list[str] = page.evaluate(TURNED)
    return found


def open_texts(page: Page) -> list[str]:
    found: list[str] = page.evaluate(OPEN.replace("HOSTILE", repr(HOSTILE)))
    return found


def test_overrides_in_names_and_messages_turn_nothing_around_on_any_part_of_the_page(
    hostile, window, ada
):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    for content in (HOSTILE, f"one\u202e\n{HOSTILE}\n three", f"\u2067{HOSTILE}"):
        act(kevin, "/conversations/1/messages", content=content)
    ada.post("/conversations/1/messages", content=f"@{HOSTILE} {HOSTILE}", private=True)
    ada.post("/conversations/1/assignee", assignee_id=1)
    ada.post("/conversations/1/assignee", assignee_id=2)
    ada.post("/conversations/1/status", status="pending")
    ada.post("/conversations/1/typing", typing=True)
    expect(kevin.locator("#typing-line")).to_contain_text("is typing")
    expect(kevin.locator("#messages")).to_contain_text("assigned this to")
    for menu in (None, "#status-menu", "#assignee-menu", "#me-menu", "#notifications-menu"):
        if menu is not None:
            kevin.locator(f"{menu} summary").click()
        assert turned(kevin) == []
    kevin.keyboard.press("Escape")
    kevin.fill("#composer textarea", HOSTILE)
    kevin.keyboard.press("Enter")
    assert turned(kevin) == []
    live(kevin, "/conversations/1")  # as the server renders it
    assert turned(kevin) == []
    assert open_texts(kevin) == []
    live(kevin, f"/accounts/1/conversations?q={ALIKE}")
    expect(kevin.locator(".list .empty")).to_contain_text("Nothing found")
    assert turned(kevin) == []
    assert "\u202e" in kevin.content()


def test_without_isolation_the_override_is_found(hostile, window):
    kevin = live(window("kevin", BLANK), "/conversations/1")
    assert turned(kevin) == []
    kevin.evaluate(
        """(name) => document.querySelectorAll("bdi").forEach((bdi) => (bdi.textContent = name))""",
        HOSTILE,
    )
    assert turned(kevin) != [], "a plain <bdi> would do"
    kevin.evaluate("document.title = '\\u202eabc'")
    assert open_texts(kevin) != []


def test_a_desktop_notification_isolates_the_name_in_it(hostile, window, ada):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations")
    kevin.evaluate("import('/static/js/inbox/text.js').then((text) => (window.text = text))")
    before = kevin.locator("#notifications > li").count()
    ada.post("/conversations/2/assignee", assignee_id=1)
    ada.post("/conversations/2/assignee", assignee_id=2)
    expect(kevin.locator("#notifications > li")).not_to_have_count(before)
    summary = "document.querySelector('#notifications .summary')"
    kevin.wait_for_function("window.text")
    shown = kevin.evaluate(f"text.plainText({summary})")
    name = f"\u2068{HOSTILE.replace(chr(0x2069), '')}\u2069"
    assert shown == f"{name} assigned a conversation to you in {name}"


def test_right_to_left_text_is_shown_and_edited_as_it_was_written(window):
    kevin = live(window("kevin", BLANK), "/conversations/4")
    text = "שלום (abc) می\u200cخواهم 👨\u200d👩\u200d👧"
    kevin.fill("#composer textarea", text)
    kevin.keyboard.press("Enter")
    last = kevin.locator("#messages > .message").last
    expect(last.locator(".content")).to_have_text(text)
    last.hover()
    last.locator(".change").click()
    expect(last.locator("textarea")).to_have_value(text)
