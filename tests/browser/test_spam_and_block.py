"""What agents complain of: junk that stays in the list and rings, and a customer who can't be
stopped."""

import pytest
from playwright.sync_api import Page
from playwright.sync_api import expect

from .page import BLANK
from .page import live

SPAM = "/accounts/1/conversations?status=spam"


@pytest.fixture
def customer(restartable):
    """`customer(page, address)(conversation, text)` writes as the customer with this address, and
    returns the status."""

    def of(page: Page, address: str):
        token = restartable.flask("token", "visitor", address)

        def write(conversation: int, content: str) -> int:
            answer = page.request.post(
                f"/conversations/{conversation}/messages",
                data={"content": content},
                headers={"Authorization": f"Bearer {token}"},
            )
            return answer.status

        return write

    return of


def choose_status(page: Page, name: str) -> None:
    page.locator("#status-menu > summary").click()
    page.locator("#status-menu").get_by_role("button", name=name, exact=True).click()


def test_junk_leaves_every_list_at_once_is_found_under_spam_and_comes_back_by_undo(window):
    ada = live(window("ada", BLANK), "/accounts/1/conversations?status=any")
    kevin = live(window("kevin", BLANK), "/conversations/2")
    row = ada.locator("#conversation-2")
    expect(row).to_be_visible()
    expect(kevin.locator("#conversation-2")).to_be_visible()
    choose_status(kevin, "Spam")
    expect(kevin.locator("#thread-status")).to_have_text("Spam")
    expect(kevin.locator("#status-menu [aria-pressed=true]")).to_have_text("Spam")
    expect(kevin.locator("#conversation-2")).to_have_count(0)
    expect(row).to_have_count(0)
    spam = live(window("ada", BLANK), SPAM)
    expect(spam.locator("#conversations > .row")).to_have_count(1)
    expect(spam.locator("#conversation-2")).to_be_visible()
    kevin.locator("#toast").get_by_role("button", name="Undo").click()
    expect(kevin.locator("#thread-status")).to_have_text("Open")
    expect(row).to_be_visible()
    expect(spam.locator("#conversations > .row")).to_have_count(0)


def test_a_spammers_next_message_rings_no_bell_and_a_customers_does(window, ada, customer):
    kevin = live(window("kevin", BLANK), "/accounts/1/conversations?status=any")
    badge = kevin.locator(".badge[data-view=mine]")
    ada.post("/conversations/1/assignee", assignee_id=2)
    ada.post("/conversations/1/status", status="spam")
    ada.post("/conversations/3/assignee", assignee_id=2)
    expect(kevin.locator("#conversation-1")).to_have_count(0)
    before = int(badge.get_attribute("data-count") or 0)
    notices = kevin.locator("#notifications > li[data-kind=message]")
    count = notices.count()
    assert customer(kevin, "maria.lindqvist@example.com")(1, "Buy now!") == 201
    assert customer(kevin, "yuki.tanaka@example.com")(3, "My parcel is not here") == 201
    expect(notices).to_have_count(count + 1)
    expect(notices.first).to_have_attribute("data-conversation", "3")
    expect(badge).to_have_attribute("data-count", str(before + 1))
    expect(kevin.locator("#conversation-1")).to_have_count(0)


def test_an_agent_blocks_a_rude_customer_and_colleagues_see_it_in_the_open_thread(
    window, ada, customer
):
    kevin = live(window("kevin", BLANK), "/conversations/4")
    other = window("ada", "/contacts/4")
    write = customer(kevin, kevin.locator("#contact-details dd").first.inner_text())
    assert write(4, "Before") == 201
    blocked = kevin.locator("#thread-contact").get_by_text("Blocked", exact=True)
    expect(blocked).to_have_count(0)
    other.get_by_role("button", name="Block", exact=False).click()
    expect(other.get_by_role("heading", level=1)).to_contain_text("Blocked")
    expect(blocked).to_be_visible()
    assert write(4, "Rude again") == 403
    kevin.get_by_label("Your message").fill("We hear you")
    kevin.get_by_role("button", name="Send").click()
    expect(kevin.locator("#messages")).to_contain_text("We hear you")
    expect(kevin.locator("#messages")).not_to_contain_text("Rude again")
    other.get_by_role("button", name="Unblock").click()
    expect(other.get_by_role("heading", level=1)).not_to_contain_text("Blocked")
    expect(blocked).to_have_count(0)
    assert write(4, "Sorry") == 201
    expect(kevin.locator("#messages")).to_contain_text("Sorry")
