"""A search on the page: what was found is shown in its context, and its link leads to it."""

import re
from unicodedata import normalize

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live
from .writer import Writer

LATER = 60  # messages after the one that is found: more than a page
NEEDLE = "Before that, the Größe was wrong & <b>small</b>"


@pytest.fixture(scope="module")
def old(server):
    """The id of an old message in conversation 2, and later ones without its words."""
    kevin = Writer(server)
    id = kevin.say(2, normalize("NFD", NEEDLE))
    for n in range(LATER):
        kevin.say(2, f"Line {n}")
    kevin.close()
    return id


def searched(page: Page, q: str) -> Page:
    page.fill("#search", q)
    page.press("#search", "Enter")
    page.wait_for_url("**q=*")
    return page


def expect_opened_at(page: Page, id: int) -> None:
    page.wait_for_url(re.compile(rf"/conversations/2\?.*message={id}#message-{id}$"))
    expect(page.locator(f"#message-{id}:target")).to_be_in_viewport()
    expect(page.locator("#conversation-2 mark").first).to_be_visible()  # the list is still searched


def test_a_hit_is_shown_with_its_words_marked_and_its_link_opens_the_thread_at_it(window, old):
    kevin = searched(live(window("kevin", BLANK), "/accounts/1/conversations"), "SMALL grosse")
    row = kevin.locator("#conversation-2")
    assert row.locator("mark").all_text_contents() == [normalize("NFD", "Größe"), "small"]
    expect(row.locator(".preview")).to_contain_text("wrong & <b>small</b>")
    expect(row.locator(".preview b")).to_have_count(0)
    row.locator("a").click()
    expect_opened_at(kevin, old)
    middle = kevin.locator(f"#message-{old}").bounding_box()["y"]
    assert 100 < middle < kevin.viewport_size["height"] - 200


def test_without_scripts_the_link_of_a_hit_opens_the_thread_at_it_too(window, old):
    kevin = searched(window("kevin", java_script_enabled=False), "grosse small")
    kevin.locator("#conversation-2 a").click()
    expect_opened_at(kevin, old)


def test_a_found_row_that_changes_stays_with_the_newest_message_and_shows_no_deleted_text(
    window, writer
):
    message = writer.say(3, "A quaint word")
    kevin = searched(live(window("kevin", BLANK), "/accounts/1/conversations"), "quaint")
    expect(kevin.locator("#live")).to_contain_text("Live")
    row = kevin.locator("#conversation-3")
    expect(row.locator("mark")).to_have_text("quaint")
    act(kevin, f"/messages/{message}/delete")
    expect(row).not_to_contain_text("quaint")
    expect(row.locator("mark")).to_have_count(0)
    writer.say(3, "Something else")
    expect(row.locator(".preview")).to_contain_text("Something else")
    expect(row.locator("a")).to_have_attribute("href", re.compile(r"/conversations/3\?q=quaint$"))


def test_a_found_row_of_a_later_page_leads_to_its_message_too(window):
    ada = window("ada")
    for n in range(55):
        contact = {"name": f"Customer {n}", "email": f"found{n}@example.com"}
        act(ada, "/accounts/1/conversations", inbox_id=2, contact=contact, content=f"Peculiar {n}")
    rows = searched(live(ada, "/accounts/1/conversations"), "peculiar").locator(
        "#conversations > .row"
    )
    ada.locator(".list").evaluate("list => list.scrollTo(0, list.scrollHeight)")
    expect(rows).to_have_count(55)
    links = rows.locator("a").evaluate_all("all => all.map((link) => link.getAttribute('href'))")
    assert [
        link for link in links if not re.search(r"\?q=peculiar&message=(\d+)#message-\1$", link)
    ] == []
    expect(rows.locator("mark")).to_have_count(55)
