"""What agents complain of: one customer writes in two conversations, and each has half of it."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import live

LIST = "/accounts/1/conversations?status=any"


@pytest.fixture
def two(ada) -> tuple[int, int]:
    """Two conversations of a new customer, in Kevin's inbox: the first and the second."""
    contact = {"name": "Nora Quist", "email": "nora.quist@example.com"}
    first, second = (
        ada.post("/accounts/1/conversations", inbox_id=1, contact=contact, content=content)["id"]
        for content in ("The first half", "The second half")
    )
    return first, second


@pytest.fixture
def write(restartable):
    """`write(page, conversation, text)` as that customer. Returns the answer."""
    token = ""

    def post(page: Page, conversation: int, content: str):
        nonlocal token
        token = token or restartable.flask("token", "visitor", "nora.quist@example.com")
        return page.request.post(
            f"/conversations/{conversation}/messages",
            data={"content": content},
            headers={"Authorization": f"Bearer {token}"},
        )

    return post


def row(page: Page, id: int):
    return page.locator(f"#conversation-{id}")


def wide(page: Page) -> Page:
    page.set_viewport_size({"width": 1600, "height": 900})
    return page


def choose(page: Page, into: int) -> None:
    page.locator("#contact summary").get_by_text("Merge this conversation into").click()
    page.locator("#contact").get_by_role("button", name=f"#{into}").click()


def test_an_agent_merges_two_halves_of_one_story_and_each_colleagues_page_follows(
    window, two, write
):
    first, second = two
    kevin = wide(live(window("kevin", BLANK), f"/conversations/{second}"))
    in_first = live(window("ada", BLANK), f"/conversations/{first}")
    in_second = live(window("ada", BLANK), f"/conversations/{second}")
    in_list = live(window("ada", BLANK), LIST)
    in_second.get_by_label("Your message").fill("Half an answer")
    expect(in_first.locator("#messages")).not_to_contain_text("The second half")
    expect(row(in_list, second)).to_be_visible()
    choose(kevin, first)
    kevin.wait_for_url(f"**/conversations/{first}")
    expect(kevin.locator("#messages")).to_contain_text("The first half")
    expect(kevin.locator("#messages")).to_contain_text("The second half")
    # The open thread of the kept one has the messages, in their order and once.
    messages = in_first.locator("#messages .message:not([data-type=activity]) .content")
    expect(messages).to_have_text(["The first half", "The second half"])
    # The open thread of the merged one gives back what was written, and leads there.
    expect(in_second.locator("#thread")).to_contain_text("This conversation is no longer here")
    expect(in_second.locator("#thread textarea")).to_have_value("Half an answer")
    in_second.get_by_role("link", name="Look where it is now").click()
    in_second.wait_for_url(f"**/conversations/{first}**")
    expect(in_second.locator("#messages")).to_contain_text("The second half")
    # Lists lose the row.
    expect(row(in_list, second)).to_have_count(0)
    expect(row(in_list, first)).to_be_visible()
    # The customer's page of the merged one writes on.
    assert write(kevin, second, "And the third half").json()["conversation_id"] == first
    expect(messages).to_have_text(["The first half", "The second half", "And the third half"])
    # Taken back, each has its own again.
    kevin.locator("#contact").get_by_role("button", name="Separate again").click()
    kevin.wait_for_url(f"**/conversations/{second}")
    expect(row(in_list, second)).to_be_visible()
    expect(messages).to_have_text(["The first half", "And the third half"])
    expect(kevin.locator("#messages")).to_contain_text("The second half")
    expect(kevin.locator("#messages")).not_to_contain_text("The first half")


def test_a_conversation_of_another_customer_is_no_choice(window, two):
    first, second = two
    kevin = wide(live(window("kevin", BLANK), f"/conversations/{first}"))
    choices = kevin.locator("#contact form[action$='/merge'] button")
    assert str(second) in choices.evaluate_all("buttons => buttons.map((one) => one.value)")
    assert "1" not in choices.evaluate_all("buttons => buttons.map((one) => one.value)")
    kevin.goto("/conversations/1")
    expect(kevin.locator("#contact-details")).to_be_visible()
    expect(choices).to_have_count(0)
