"""Two people, one conversation: who would overwrite or answer beside the other is asked once."""

import pytest
from playwright.sync_api import expect

from .page import BLANK
from .page import live
from .proxy import Proxy

COMPOSER = "#composer textarea"


@pytest.fixture
def late(window, proxy: Proxy):
    """Kevin's page, which hears nothing of what others do: its stream is cut and not answered."""
    kevin = live(window("kevin", BLANK, base_url=proxy.address), "/conversations/4")
    proxy.mode = "limit"
    proxy.cut()
    expect(kevin.locator("#live")).to_contain_text("Reconnecting")
    return kevin


def test_of_two_agents_who_take_a_conversation_the_second_is_asked(late, ada):
    ada.post("/conversations/4/assignee", assignee_id=1)
    late.keyboard.press("a")
    toast = late.locator("#toast")
    expect(toast).to_contain_text("This was assigned to Ada meanwhile.")
    assert ada.conversation(4)["assignee"]["name"] == "Ada"
    with late.expect_response("**/conversations/4/assignee"):
        toast.get_by_role("button", name="Do it anyway").click()
    expect(toast).to_be_hidden()
    assert ada.conversation(4)["assignee"]["name"] == "Kevin"


def test_who_resolves_as_the_customer_writes_is_asked(late, ada, restartable):
    token = restartable.flask("token", "visitor", "priya.nair@example.com")
    restartable.post(token, "/conversations/4/messages", content="One more question")
    late.keyboard.press("e")
    expect(late.locator("#toast")).to_contain_text("The customer has written meanwhile.")
    assert ada.conversation(4)["status"] != "resolved"


def test_who_resolves_as_a_colleague_notes_something_is_not_asked(late, ada):
    ada.say(4, "A note", private=True)
    with late.expect_response("**/conversations/4/status"):
        late.keyboard.press("e")
    expect(late.locator("#toast")).to_be_hidden()
    assert ada.conversation(4)["status"] == "resolved"
    ada.post("/conversations/4/status", status="open")


def test_an_answer_beside_a_colleagues_is_asked_for_once_and_a_note_is_not(window, ada):
    kevin = live(window("kevin", BLANK), "/conversations/5")
    kevin.fill(COMPOSER, "My answer")
    said = ada.say(5, "Ada's answer")
    expect(kevin.locator(f"#message-{said}")).to_be_visible()
    kevin.locator(COMPOSER).press("Enter")
    expect(kevin.locator("#composer-problem")).to_contain_text("Ada answered just now.")
    expect(kevin.locator(COMPOSER)).to_have_value("My answer")
    kevin.get_by_label("Private note").check()
    kevin.fill(COMPOSER, "My note")
    kevin.locator(COMPOSER).press("Enter")
    expect(kevin.locator("#messages > [data-private=true]").last).to_contain_text("My note")
    kevin.get_by_label("Private note").uncheck()
    kevin.locator(COMPOSER).press("Enter")
    expect(kevin.locator("#messages > .message").last).to_contain_text("My answer")
    expect(kevin.locator("#composer-problem")).to_have_text("")
    kevin.fill(COMPOSER, "And another, begun after hers")
    kevin.locator(COMPOSER).press("Enter")
    expect(kevin.locator("#messages > .message").last).to_contain_text("And another")
