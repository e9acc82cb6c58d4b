"""The formats, each with its client, as a page uses it."""

import pytest
from playwright.sync_api import expect

from ..npm import installed

HTMX_4 = ("htmx.org@4.0.1",)
HTMX = ("htmx.org@2.0.7", "htmx-ext-sse@2.2.4")
TURBO = ("@hotwired/turbo@8.0.23",)
SCRIPT = "Only <b>text</b> <script>window.hacked = true</script>"

EVENT_SOURCE = """<!doctype html><ol id="messages"></ol><script>
  const source = new EventSource("/streams/conversations/1");
  source.addEventListener("stream.open", () => document.body.dataset.live = "yes");
  source.addEventListener("message.created", (event) => {
    const line = document.createElement("li");
    line.textContent = JSON.parse(event.data).data.content;
    messages.append(line);
  });
</script>"""

WITH_HTMX = """<!doctype html><script src="/npm/htmx.org/dist/htmx.js"></script>
<script src="/npm/htmx-ext-sse/sse.js"></script>
<body hx-ext="sse" sse-connect="/streams/conversations/1?format=html">
<ol id="messages" sse-swap="message.created" hx-swap="beforeend"></ol><script>
  document.body.addEventListener("htmx:sseOpen", () => document.body.dataset.live = "yes");
</script></body>"""

# The control frames would show in `#swapped`, the target of events that name none.
WITH_HTMX_4 = """<!doctype html><script src="/npm/htmx.org/dist/htmx.js"></script>
<script src="/npm/htmx.org/dist/ext/hx-sse.js"></script>
<div id="swapped" hx-sse:connect="/streams?stream=account:1&stream=conversation:1&format=htmx">
</div>
<ul id="conversations"><li id="conversation-1">As it was</li></ul><ol id="messages"></ol><script>
  document.body.addEventListener("stream.open", () => document.body.dataset.live = "yes");
</script>"""

WITH_TURBO = """<!doctype html><script type="module">
  import "/npm/@hotwired/turbo/dist/turbo.es2017-esm.js";
</script>
<turbo-stream-source src="/streams?stream=account:1&stream=conversation:1&format=turbo">
</turbo-stream-source>
<ul id="conversations"><li id="conversation-1">As it was</li></ul><ol id="messages"></ol>
<script type="module">
  const { streamSource } = document.querySelector("turbo-stream-source");
  streamSource.addEventListener("stream.open", () => document.body.dataset.live = "yes");
</script>"""


@pytest.fixture
def page(window):
    """`page(html, modules)` opens `html` as Kevin, with npm's modules below /npm."""

    def show(html: str, modules=None):
        page = window("kevin")
        page.route("**/npm/**", lambda r: r.fulfill(path=modules / r.request.url.split("/npm/")[1]))
        page.route("**/page.html", lambda r: r.fulfill(body=html, content_type="text/html"))
        page.goto("/page.html")
        expect(page.locator("body")).to_have_attribute("data-live", "yes")
        return page

    return show


def shows_what_is_said(page, writer) -> None:
    first = "First\nwith a second line"
    for text in (first, SCRIPT, "Third"):
        writer.say(1, text)
    lines = page.locator("#messages > li")
    expect(lines).to_have_count(3)
    for line, text in zip(lines.all(), (first, SCRIPT, "Third"), strict=True):
        assert text in line.text_content()
    assert page.evaluate("window.hacked") is None


def test_the_json_format_shows_messages_as_text_with_event_source(page, writer):
    shows_what_is_said(page(EVENT_SOURCE), writer)


def test_the_html_format_shows_messages_as_text_with_htmx(page, writer):
    shows_what_is_said(page(WITH_HTMX, installed(*HTMX)), writer)


def test_the_htmx_format_updates_thread_and_list_with_htmx_4_and_swaps_no_control_frame(
    page, writer
):
    page = page(WITH_HTMX_4, installed(*HTMX_4))
    shows_what_is_said(page, writer)
    expect(page.locator("#conversations")).to_contain_text("Third")
    expect(page.locator("#conversation-1")).to_have_count(1)
    expect(page.locator("#swapped")).to_have_text("")


def test_the_html_format_shows_nothing_with_htmx_4_because_its_events_have_names(page, writer):
    html = WITH_HTMX_4.replace("format=htmx", "format=html").replace(
        '"yes");',
        '"yes");\n  document.body.addEventListener("message.created", () => window.came = true);',
    )
    page = page(html, installed(*HTMX_4))
    writer.say(1, "Unseen")
    page.wait_for_function("window.came")
    expect(page.locator("#messages > li")).to_have_count(0)
    expect(page.locator("#swapped")).to_have_text("")


def test_the_turbo_format_updates_thread_and_list_with_turbo_stream_source(page, writer):
    page = page(WITH_TURBO, installed(*TURBO))
    shows_what_is_said(page, writer)
    expect(page.locator("#conversations")).to_contain_text("Third")
    expect(page.locator("#conversation-1")).to_have_count(1)
