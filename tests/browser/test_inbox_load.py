"""A long thread, a long list, many events: the page stays responsive. The measures are printed.

A busy machine makes tasks longer, so only bin/soak measures them.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Locator
from playwright.sync_api import Page
from playwright.sync_api import expect

from ..harness.waiting import eventually
from .page import live
from .writer import Writer

SOAK = bool(os.environ.get("RTAPP_SOAK"))
MESSAGES, CONVERSATIONS = 5_000, 5_000
EVENTS = 20_000  # of a day: a message is two, one in its thread and one of its row
FIRST = 200  # the first of the conversations that they are in: beyond those in sight
OPENED_WITHIN = 100  # ms
MORE_HEAP = 20  # MiB
SECONDS = 60
RATE = 50  # events a second
pytestmark = pytest.mark.skipif(not SOAK, reason="a measurement: run by bin/soak")
LONGEST_TASK = 500  # ms, on a machine with other work
HELD = 80  # ms for which a hand holds the mouse button: the page loads meanwhile
# From the click, which a key makes too, until the conversation is on the screen.
OPENED = """(id) => {
  const frame = () => new Promise(requestAnimationFrame);
  const measure = async (resolve) => {
    const began = performance.now();
    while (document.body.dataset.conversation !== String(id)) await frame();
    await frame();
    resolve(performance.now() - began);
  };
  window.opened = new Promise((resolve) => {
    document.addEventListener("click", () => measure(resolve), {once: true, capture: true});
  });
}"""
IN_SIGHT = """(id) => {
  const {top} = document.querySelector(".list").getBoundingClientRect();
  const rows = [...document.querySelectorAll("#conversations > .row")];
  const placeOf = (row) => Math.round(row.getBoundingClientRect().top);
  const row = rows.find((row) => (id ? row.id === id : placeOf(row) > top + 100));
  return {id: row.id, place: placeOf(row)};
}"""
WATCH = """
window.tasks = [];
new PerformanceObserver((list) => tasks.push(...list.getEntries().map((task) => task.duration)))
  .observe({type: "longtask", buffered: true});
"""


def fill(database: Path) -> None:
    """Add MESSAGES messages to conversation 1, and CONVERSATIONS conversations to the account."""
    with sqlite3.connect(database, timeout=10) as connection:
        for n in range(CONVERSATIONS):
            connection.execute(
                "INSERT INTO conversations (account_id, inbox_id, contact_id, status, created_at,"
                " last_activity_at, last_public_at, version, last_message_id)"
                " SELECT account_id, inbox_id, contact_id, 'open', created_at,"
                " datetime(last_activity_at, :ago), datetime(last_public_at, :ago), 1,"
                " last_message_id FROM conversations WHERE id = 2",
                {"ago": f"-{n + 100} minutes"},
            )
        connection.executemany(
            "INSERT INTO messages (account_id, conversation_id, user_id, message_type, private,"
            " content, deleted, created_at, updated_at, version)"
            " VALUES (1, 1, 2, 'outgoing', 0, ?, 0, datetime('now', ?), datetime('now'), 1)",
            ((f"Line {n} of a long story", f"-{MESSAGES - n} minutes") for n in range(MESSAGES)),
        )
    connection.close()


@pytest.fixture(scope="module")
def restartable(restartable):
    fill(restartable.folder / "rtapp.sqlite3")
    return restartable


def report(page: Page, what: str) -> float:
    """Return the longest task in ms, and print the measures."""
    tasks = page.evaluate("tasks")
    memory = page.evaluate("performance.memory.usedJSHeapSize") / 2**20
    longest = max(tasks, default=0)
    print(f"{what}: {len(tasks)} long tasks, longest {longest:.0f} ms, heap {memory:.1f} MiB")
    return longest


def scroll_through(page: Page, scroller: str, end: str, rows: str, wanted: int) -> None:
    """Scroll in steps until the wanted number of rows is loaded."""
    deadline = time.monotonic() + 600
    while page.locator(rows).count() < wanted:
        assert time.monotonic() < deadline, "the rows were not loaded"
        page.locator(scroller).evaluate(f"place => place.scrollBy(0, {end})")
        page.evaluate("() => new Promise(requestAnimationFrame)")


@pytest.mark.timeout(900)
def test_a_long_thread_and_a_long_list_scroll_without_long_tasks(window):
    kevin = window("kevin")
    kevin.add_init_script(WATCH)
    live(kevin, "/conversations/1")
    rows = "#messages > .message"
    scroll_through(kevin, "#thread-scroll", "-2000", rows, MESSAGES)
    assert report(kevin, f"{kevin.locator(rows).count()} messages") < LONGEST_TASK
    live(kevin, "/accounts/1/conversations")
    rows = "#conversations > .row"
    scroll_through(kevin, ".list", "2000", rows, CONVERSATIONS)
    assert report(kevin, f"{kevin.locator(rows).count()} conversations") < LONGEST_TASK


@pytest.mark.timeout(300)
def test_many_events_a_second_leave_the_page_responsive(window, server):
    kevin = window("kevin")
    kevin.add_init_script(WATCH)
    live(kevin, "/conversations/2")
    writer = Writer(server, "ada")
    # A message is two events: one in the thread, one of its row.
    writer.keep_saying([2], 2 / RATE, most=SECONDS * RATE // 2)
    kevin.locator("#composer textarea").press_sequentially("Typed meanwhile", delay=50)
    expect(kevin.locator("#composer textarea")).to_have_value("Typed meanwhile")
    eventually(lambda: not writer.is_at_work, "the writer is done", SECONDS * 10)
    said = writer.said
    writer.close()
    assert said == SECONDS * RATE // 2
    expect(kevin.locator("#messages")).to_contain_text(f"Number {said - 1}", timeout=20_000)
    assert kevin.locator("#messages > .message", has_text="Number ").count() == said
    assert report(kevin, f"{said * 2} events in {SECONDS} s") < LONGEST_TASK


def by_mouse(link: Locator) -> None:
    link.click(delay=HELD)


def by_key(link: Locator) -> None:
    link.press("Enter")


def opening(page: Page, choose: Callable[[Locator], None]) -> float:
    """Return the median time in ms in which the page shows a conversation that is chosen."""
    times = []
    for id in (1, 3) * 10:
        page.evaluate(OPENED, id)
        choose(page.locator(f"#conversation-{id} > a"))
        times.append(float(page.evaluate("opened")))
    return median(times)


def heap(page: Page) -> float:
    """Return what the page's scripts hold, in MiB."""
    session = page.context.new_cdp_session(page)
    session.send("HeapProfiler.collectGarbage")
    return float(page.evaluate("performance.memory.usedJSHeapSize")) / 2**20


@pytest.mark.timeout(1800)
def test_after_a_day_of_events_a_conversation_opens_quickly_and_the_list_is_where_it_was(
    window, server
):
    writer = Writer(server, "ada")
    for id in (1, 3):
        writer.say(id, "At the top")
    page = live(window("ada"), "/accounts/1/conversations?status=any")
    before, heap_before = [opening(page, choose) for choose in (by_mouse, by_key)], heap(page)
    page.locator(".list").evaluate("list => list.scrollTo(0, 1500)")
    in_sight = page.evaluate(IN_SIGHT)
    others = [id + FIRST for id in range(1_000)]
    writer.keep_saying(others, 2 / RATE, most=EVENTS // 2)
    eventually(lambda: not writer.is_at_work, "the writer is done", 1_500)
    newest = page.locator(f"#conversation-{others[-1]}")
    expect(newest).to_contain_text(f"Number {EVENTS // 2 + 1}")
    assert page.evaluate(IN_SIGHT, in_sight["id"]) == in_sight, "the list has moved"
    after, heap_after = [opening(page, choose) for choose in (by_mouse, by_key)], heap(page)
    writer.close()
    print(
        f"{EVENTS} events: a conversation opens in {before[0]:.0f} → {after[0]:.0f} ms by mouse, "
        f"{before[1]:.0f} → {after[1]:.0f} ms by key (medians), "
        f"heap {heap_before:.1f} → {heap_after:.1f} MiB"
    )
    assert max(after) < OPENED_WITHIN
    assert heap_after < heap_before + MORE_HEAP
