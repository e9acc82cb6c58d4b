"""The mark of the last reply that the customer has read."""

from playwright.sync_api import expect

from .page import BLANK
from .page import act
from .page import live


def test_the_seen_mark_follows_the_customers_read_position_and_marks_only_replies(
    window, restartable
):
    kevin = live(window("kevin", BLANK), "/conversations/2")

    def say(content: str, **more: object) -> int:
        return act(kevin, "/conversations/2/messages", content=content, **more).json()["id"]

    def read(id: int) -> None:
        restartable.post(tom, "/conversations/2/read", message_id=id)

    tom = restartable.flask("token", "visitor", "tom.okafor@example.com")
    first, second = say("First reply"), say("Second reply")
    note, third = say("A note", private=True), say("Third reply")
    expect(kevin.locator(f"#message-{third}")).to_be_visible()
    mark = kevin.locator("#messages .seen")
    expect(mark).to_have_count(0)
    read(first)
    expect(kevin.locator(f"#message-{first} .seen")).to_be_visible()
    read(second)
    expect(kevin.locator(f"#message-{second} .seen")).to_be_visible()
    act(kevin, f"/messages/{second}", content="Second reply, edited")
    expect(kevin.locator(f"#message-{second}")).to_contain_text("edited")
    expect(kevin.locator(f"#message-{second} .seen")).to_be_visible()
    act(kevin, f"/messages/{second}/delete")
    expect(kevin.locator(f"#message-{first} .seen")).to_be_visible()
    expect(mark).to_have_count(1)
    restartable.post(tom, "/conversations/2/messages", content="Thank you")
    expect(kevin.locator("#messages")).to_contain_text("Thank you")
    read(third)
    expect(kevin.locator(f"#message-{third} .seen")).to_be_visible()
    expect(mark).to_have_count(1)
    live(kevin, "/conversations/2")  # a fresh load shows the same
    expect(kevin.locator(f"#message-{third} .seen")).to_be_visible()
    expect(mark).to_have_count(1)
    assert third > note
