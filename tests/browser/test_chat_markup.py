"""What agents mark in their messages, in the visitor's chat."""

import pytest
from playwright.sync_api import expect

from .test_chat import PHONE
from .test_chat import axe
from .test_chat import bubbles
from .test_chat import complaints
from .test_chat import field
from .test_chat import start
from .test_chat import visitor
from .test_chat import write

__all__ = ["axe", "visitor"]

MODULE = "**/chat/on_demand/markup.js"
MARKED = "Yes! **Two** of `A1`:\n- red <b>\n- https://a.example/b\n> How many?"


def test_a_visitor_sees_what_agents_marked_and_their_own_text_as_it_was_typed(visitor, ada):
    vera = visitor()
    conversation = start(vera, "**How many?**")
    ada.say(conversation, MARKED)
    answer = bubbles(vera).last
    for shown in (answer, bubbles(vera).last):
        expect(shown.locator("strong")).to_have_text("Two")
        expect(shown.locator("code")).to_have_text("A1")
        expect(shown.locator("li")).to_have_text(["red <b>", "https://a.example/b"])
        expect(shown.locator("blockquote")).to_have_text("How many?")
        expect(shown.locator("li a")).to_have_attribute("rel", "noopener noreferrer nofollow ugc")
        vera.reload()
    expect(vera.locator(".mine .bubble")).to_have_text("**How many?**")
    expect(vera.locator(".mine .bubble *")).to_have_count(0)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_marks_are_read_by_everybody_on_a_phone_too(visitor, ada, axe, scheme):
    vera = visitor(color_scheme=scheme, viewport=PHONE)
    conversation = start(vera)
    ada.say(conversation, f"{MARKED}\n```python\n{'a' * 200}\n```\n1. one\n2. two")
    expect(vera.locator("pre code")).to_be_visible()
    assert complaints(vera, axe) == []
    assert vera.evaluate("document.documentElement.scrollWidth") == PHONE["width"]
    main = vera.locator("main")
    assert main.evaluate("main => main.scrollWidth - main.clientWidth") == 0


def test_without_the_module_the_text_stays_and_the_chat_goes_on(visitor, ada):
    vera = visitor()
    conversation = start(vera)
    vera.route(MODULE, lambda route: route.abort())
    ada.say(conversation, "**Two** https://a.example/b")
    expect(bubbles(vera).last).to_have_text("**Two** https://a.example/b")
    expect(bubbles(vera).last.get_by_role("link")).to_have_text("https://a.example/b")
    write(vera, "Thank you")
    expect(vera.get_by_text("· Sent")).to_be_visible()
    vera.unroute(MODULE)
    vera.reload()
    expect(bubbles(vera).locator("strong")).to_have_text("Two")


def test_without_scripts_the_page_shows_the_marks_too(visitor, ada):
    vera = visitor(java_script_enabled=False)
    field(vera).fill("**How many?**")
    vera.get_by_role("button", name="Send").click()
    expect(vera.get_by_text("Your message is sent.")).to_be_visible()
    ada.say(ada.listed()[0], MARKED)
    vera.get_by_role("link", name="Look for an answer").click()
    expect(vera.locator(".theirs strong")).to_have_text("Two")
    expect(vera.locator(".theirs li")).to_have_text(["red <b>", "https://a.example/b"])
    expect(vera.locator(".mine strong")).to_have_count(0)
