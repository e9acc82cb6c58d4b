"""A visitor's page without a session: its token expires, and is renewed."""

import urllib.error
import urllib.request

import pytest
from playwright.sync_api import expect

from ..harness.waiting import PATIENCE
from ..harness.waiting import eventually

PAGE = """<!doctype html><link rel="icon" href="data:,"><p id="state">connecting</p>
<script type="module">
  import { connect } from "/static/js/connector/visitor/visitor.js";
  const tab = (window.tab = { contents: [], resets: 0, rejected: [], asked: 0 });
  const show = (state) => (document.getElementById("state").textContent = state);
  tab.connector = connect({ token: async () => (tab.asked++, await nextToken()), firstDelay: 100 });
  tab.subscription = tab.connector.subscribe("conversation:1", {
    onConnected: () => show("live"),
    onDisconnected: ({ reason }) => show(`reconnecting (${reason})`),
    onReset: () => tab.resets++,
    onRejected: ({ status }) => tab.rejected.push(status),
    onClosed: () => show("closed"),
    onMessageCreated: ({ content }) => tab.contents.push(content),
  });
</script>"""


@pytest.fixture
def visitor(chromium, proxy, restartable):
    """`visitor(tokens)`: a page of Maria, without cookies, whose token() takes the next one."""
    context = chromium.new_context(base_url=proxy.address)
    context.set_default_timeout(1000 * PATIENCE)
    context.route("**/visitor.html", lambda r: r.fulfill(body=PAGE, content_type="text/html"))

    def open_page(tokens):
        page = context.new_page()
        page.expose_function("nextToken", lambda: tokens.pop(0) if tokens else None)
        page.goto("/visitor.html")
        return page

    yield open_page
    context.close()


@pytest.fixture
def token(restartable):
    def token(seconds: int) -> str:
        email = "maria.lindqvist@example.com"
        return restartable.flask("token", "visitor", email, "--expires-in", str(seconds))

    return token


@pytest.fixture
def expired(token, server):
    expired = token(1)
    eventually(lambda: status(server, expired) == 401, "the token has expired")
    return expired


def status(server: str, token: str) -> int:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    request = urllib.request.Request(f"{server}/conversations/1", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_a_visitors_token_that_expires_is_renewed_and_no_message_is_missed(
    visitor, token, proxy, server, writer
):
    for lifetime in (10, 30, 90):  # s: it must outlive the opening of the page
        short = token(lifetime)
        page = visitor([short, token(3600)])
        expect(page.locator("#state")).to_have_text("live")
        writer.say(1, "One")
        page.wait_for_function("tab.contents.length === 1")
        if status(server, short) == 200:
            break
        page.close()
    assert page.evaluate("tab.asked") == 1
    proxy.mode = "swallow"
    proxy.cut()
    writer.say(1, "Two")
    eventually(lambda: status(server, short) == 401, "the token has expired")
    proxy.mode = "pass"
    proxy.cut()
    page.wait_for_function("tab.contents.length === 2")
    assert page.evaluate("tab.contents") == ["One", "Two"]
    assert page.evaluate("[tab.asked, tab.resets, tab.rejected.length]") == [2, 0, 0]
    expect(page.locator("#state")).to_have_text("live")
    page.evaluate("tab.subscription.perform('messages', {content: 'From the customer'})")
    page.wait_for_function("tab.contents.length === 3")


def test_an_action_with_a_visitors_expired_token_is_sent_again_with_the_new_one(
    visitor, token, expired
):
    page = visitor([expired, token(3600)])
    answer = page.evaluate("tab.subscription.perform('messages', {content: 'Once'})")
    assert answer["content"] == "Once"
    expect(page.locator("#state")).to_have_text("live")
    assert page.evaluate("tab.asked") == 2


def test_a_visitor_without_another_token_is_rejected_once(visitor, expired):
    page = visitor([expired])
    expect(page.locator("#state")).to_have_text("closed")
    assert page.evaluate("tab.rejected") == [401]


def test_a_visitors_page_with_a_token_that_is_valid_is_not_asked_again(visitor, token, writer):
    page = visitor([token(3600)])
    expect(page.locator("#state")).to_have_text("live")
    writer.say(1, "One token")
    page.wait_for_function("tab.contents.length === 1")
    assert page.evaluate("tab.asked") == 1
