"""The examples of docs/connector.md work when copied."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

DOCS = (Path(__file__).parents[2] / "docs/connector.md").read_text()


def example(language: str) -> str:
    found = re.search(rf"^```{language}\n(.*?)^```$", DOCS, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def show(window):
    def show(html: str):
        page = window("kevin")
        token = page.locator("meta[name=csrf-token]").get_attribute("content")
        html = html.replace('csrf-token" content=""', f'csrf-token" content="{token}"')
        page.route("**/page.html", lambda r: r.fulfill(body=html, content_type="text/html"))
        page.goto("/page.html")
        return page

    return show


def test_the_html_example_of_the_connector_docs_shows_live_messages(show, writer):
    page = show(example("html"))
    expect(page.locator("#state")).to_have_text("live")
    writer.say(1, "As the documentation says")
    expect(page.locator("#messages > li")).to_have_text(["As the documentation says"])


def test_the_js_example_of_the_connector_docs_posts_and_reports_a_refusal(show, writer):
    page = show(
        '<meta name="csrf-token" content=""><script type="module">'
        f"{example('js')}\nwindow.answer = message; window.finished = true;</script>"
    )
    said = []
    page.on("console", lambda message: said.append(message.text))
    page.reload()
    page.wait_for_function("window.finished")
    assert page.evaluate("answer.content") == "Hello"
    assert any(text.startswith("422 ") for text in said)
    assert page.evaluate("answer.id") in writer.messages_after(1, 0)
