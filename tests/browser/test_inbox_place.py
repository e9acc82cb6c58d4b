"""Opening, leaving and going back keep the place in the list."""

import json
import re
from itertools import count

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import live

NUMBERS = count()  # of customers


@pytest.fixture
def many(ada):
    add(ada, 142)
    return ada


def rows(page: Page) -> int:
    return page.locator("#conversations > .row").count()


def shown(page: Page) -> list[int]:
    found: list[int] = page.evaluate(
        "Array.from(document.querySelectorAll('#conversations > .row'),"
        " ({dataset}) => +dataset.conversation)"
    )
    return found


def add(ada, number: int) -> None:
    """Begin so many conversations."""
    for _ in range(number):
        n = next(NUMBERS)
        contact = {"name": f"Customer {n}", "email": f"c{n}@example.com"}
        ada.post("/accounts/1/conversations", inbox_id=1, contact=contact, content=f"Question {n}")


def fill(ada, number: int) -> None:
    """Have at least so many conversations."""
    add(ada, number - len(ada.listed()))


def load_all(page: Page) -> None:
    """Scroll the list until it has all rows."""
    while page.locator(".list > .more").count():
        before = rows(page)
        page.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
        page.wait_for_function(
            "n => document.querySelectorAll('#conversations > .row').length > n"
            " || !document.querySelector('.list > .more')",
            arg=before,
        )


def test_a_reply_goes_to_the_conversation_that_was_opened_last(window, ada):
    kevin = window("kevin")
    live(kevin, "/conversations/1")
    kevin.locator("#composer textarea").fill("For the first")
    kevin.locator('#conversations a[href^="/conversations/2"]').click()
    expect(kevin.locator("body")).to_have_attribute("data-conversation", "2")
    expect(kevin.locator("#composer textarea")).to_have_value("")
    kevin.locator("#composer textarea").fill("For the second")
    kevin.keyboard.press("Enter")
    expect(kevin.locator("#messages")).to_contain_text("For the second")
    ada.post("/conversations/2/messages", content="Live in the second")
    expect(kevin.locator("#messages")).to_contain_text("Live in the second")
    ada.post("/conversations/1/messages", content="Not shown here")
    kevin.go_back()
    expect(kevin.locator("#messages")).to_contain_text("Not shown here")
    expect(kevin.locator("#messages")).not_to_contain_text("For the second")
    expect(kevin.locator("#composer textarea")).to_have_value("For the first")


def test_a_row_far_down_is_opened_and_left_without_losing_the_place(window, many):
    kevin = window("ada")
    live(kevin, "/accounts/1/conversations?status=any")
    kevin.evaluate("window.same = true")
    load_all(kevin)
    loaded = rows(kevin)
    assert loaded > 142
    list_ = kevin.locator(".list")
    list_.evaluate("list => list.scrollTo(0, list.scrollHeight - list.clientHeight - 500)")
    top = list_.evaluate("list => list.scrollTop")
    row = kevin.locator("#conversations > .row", has_text="Question 5").last
    row.scroll_into_view_if_needed()
    top = list_.evaluate("list => list.scrollTop")
    row.click()
    expect(kevin.locator("#messages")).to_contain_text("Question 5")
    expect(kevin).to_have_url(re.compile(r"/conversations/\d+\?status=any$"))
    expect(kevin).to_have_title(re.compile("Customer 5"))
    expect(row.locator("a")).to_have_attribute("aria-current", "page")
    assert (rows(kevin), list_.evaluate("list => list.scrollTop")) == (loaded, top)
    kevin.go_back()
    expect(kevin.locator(".nothing")).to_be_visible()
    kevin.go_forward()
    expect(kevin.locator("#messages")).to_contain_text("Question 5")
    kevin.locator("#status-menu summary").click()
    kevin.locator('#status-menu button[value="resolved"]').click()
    expect(kevin.locator("#thread-status")).to_have_text("Resolved")
    assert kevin.evaluate("window.same")
    assert rows(kevin) == loaded
    kevin.reload()
    expect(kevin.locator("#messages")).to_contain_text("Question 5")


def test_the_list_does_not_move_under_the_pointer_and_is_in_order_once_it_leaves(window, ada):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations?status=any")
    first = kevin.locator("#conversations > .row").first.get_attribute("id")
    row = kevin.locator("#conversations > .row").nth(2)
    id = row.get_attribute("id") or ""
    under = kevin.locator(f"#{id}")
    under.hover()
    before = under.bounding_box()
    last = kevin.locator("#conversations > .row").nth(3).get_attribute("id") or ""
    ada.say(int(last.removeprefix("conversation-")), "From below to the top")
    expect(kevin.locator("#conversations > .row").first).to_have_id(last)
    assert under.bounding_box() == before
    ada.say(int(id.removeprefix("conversation-")), "The one under the pointer")
    expect(under).to_contain_text("The one under the pointer")
    assert under.bounding_box() == before
    expect(kevin.locator("#rows-above")).to_be_visible()
    kevin.mouse.move(900, 400)
    expect(kevin.locator("#conversations > .row").first).to_have_id(id)
    kevin.locator("#rows-above").click()
    expect(kevin.locator(f"#{first}")).to_be_in_viewport()


def test_a_list_that_grew_all_day_is_trimmed_below_what_is_in_sight_and_loads_the_rest_again(
    window, ada
):
    page = live(window("ada", BLANK), "/accounts/1/conversations?status=any")
    add(ada, 201 - rows(page))
    page.wait_for_function(
        "() => document.querySelectorAll('#conversations > .row').length < 150"
        " && document.querySelector('.list > .more')"
    )
    assert rows(page) > 100
    load_all(page)
    ids = shown(page)
    assert ids == ada.listed()
    ada.post(f"/conversations/{ids[-1]}/messages", content="From the very end")
    expect(page.locator("#conversations > .row").first).to_contain_text("From the very end")


def test_a_list_that_is_read_far_down_keeps_its_rows(window, ada):
    page = live(window("ada", BLANK), "/accounts/1/conversations?status=any")
    wanted = 201 - rows(page)
    add(ada, 100)
    load_all(page)
    page.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    add(ada, wanted - 100)
    expect(page.locator("#conversations > .row").first).to_contain_text("Question")
    page.wait_for_function("() => document.querySelectorAll('#conversations > .row').length > 200")


def test_a_conversation_is_loaded_while_the_button_is_held_and_once(window):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations?status=any")
    asked: list[str] = []
    row = kevin.locator("#conversations > .row > a").nth(1)
    id = row.locator("..").get_attribute("data-conversation") or ""
    kevin.on("request", lambda request: "part=thread" in request.url and asked.append(request.url))
    row.hover()
    with kevin.expect_response("**part=thread*"):
        kevin.mouse.down()
    assert kevin.locator("body").get_attribute("data-conversation") == ""
    kevin.mouse.up()
    expect(kevin.locator("body")).to_have_attribute("data-conversation", id)
    assert len(asked) == 1
    kevin.go_back()
    expect(kevin.locator("body")).to_have_attribute("data-conversation", "")
    row.press("Enter")
    expect(kevin.locator("#thread h1")).to_be_visible()
    assert len(asked) == 2


def test_what_was_loaded_for_a_press_that_led_nowhere_is_not_shown_later(window, ada):
    kevin = window("kevin", BLANK)
    kevin.clock.install()
    live(kevin, "/accounts/1/conversations?status=any")
    row = kevin.locator("#conversations > .row > a").first
    id = int(row.locator("..").get_attribute("data-conversation") or "")
    row.hover()
    with kevin.expect_response("**part=thread*"):
        kevin.mouse.down()
    kevin.locator(".topbar").hover()
    kevin.mouse.up()
    kevin.clock.run_for(2_000)
    said = ada.say(id, "Written since")
    with kevin.expect_response("**part=thread*") as answer:
        row.press("Enter")
    assert f"message-{said}" in answer.value.text()
    expect(kevin.locator("#messages")).to_contain_text("Written since")


def test_the_row_at_which_a_trimmed_list_ends_moves_and_no_row_is_missing_afterwards(window, ada):
    fill(ada, 215)
    page = live(window("ada", BLANK), "/accounts/1/conversations?status=any&sort=oldest")
    load_all(page)
    page.locator(".list").evaluate("list => list.scrollTo(0, 0)")
    oldest = shown(page)
    ada.post(f"/conversations/{oldest[0]}/messages", content="Moves and has the list trimmed")
    page.wait_for_function("() => document.querySelectorAll('#conversations > .row').length < 150")
    last = shown(page)[-1]
    ada.post(f"/conversations/{last}/messages", content="Moves to the end")
    expect(page.locator(f"#conversation-{last}")).to_contain_text("Moves to the end")
    load_all(page)
    assert shown(page) == ada.listed()[::-1]


def test_selected_rows_are_not_trimmed(window, ada):
    fill(ada, 215)
    page = live(window("ada", BLANK), "/accounts/1/conversations?status=any")
    load_all(page)
    last = shown(page)[-1]
    page.get_by_label("Select", exact=True).check()
    page.locator(f"#conversation-{last} .pick input").check()
    page.locator(".list").evaluate("list => list.scrollTo(0, 0)")
    page.mouse.move(900, 300)  # a row under the pointer stays, and so does a focused one
    page.locator("#thread").focus()
    for text in ("Has the list trimmed", "By then it is"):
        ada.post(f"/conversations/{shown(page)[5]}/messages", content=text)
        expect(page.locator("#conversations > .row").first).to_contain_text(text)
    assert shown(page)[-1] == last
    expect(page.locator("#bulk [data-count]")).to_have_text("1 selected")


MANY_ROWS = 500
# The last row comes to the top, as the row of a conversation with a new message does.
MOVE = """async (list) => {
  const rows = [...document.querySelectorAll(`${list} > li`)];
  const row = rows.at(-1);
  for (let n = 0; n < 500; n++) {
    const copy = row.cloneNode(true);
    copy.removeAttribute("id");
    row.parentElement.append(copy);
  }
  await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
  performance.mark("moves");
  row.parentElement.prepend(row.parentElement.lastElementChild);
  row.getBoundingClientRect();
  performance.mark("moved");
}"""


@pytest.mark.parametrize("list", ["#conversations", "#messages"])
def test_a_row_that_moves_has_no_other_row_styled_anew(window, list):
    page = live(window("kevin", BLANK), "/conversations/1?status=any")
    browser = page.context.browser
    browser.start_tracing(page=page, categories=["devtools.timeline", "blink.user_timing"])
    page.evaluate(MOVE, list)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    (begin,) = [event["ts"] for event in events if event["name"] == "moves"]
    (end,) = [event["ts"] for event in events if event["name"] == "moved"]
    styled = [
        event["args"]["elementCount"]
        for event in events
        if event["name"] == "UpdateLayoutTree" and begin <= event["ts"] <= end
    ]
    assert 0 < sum(styled) < MANY_ROWS / 2
