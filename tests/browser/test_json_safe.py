"""The JSON format in a third-party page: user text becomes neither markup nor a stream's line."""

import http.client
import json
import re
import sqlite3
import uuid
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from ..harness.waiting import eventually
from .writer import Writer

# Text that ends a line, an event, an element or a string, or looks as if it did.
BREAKS = "\r\n\r\ndata: forged\n\nevent: forged\u2028\u2029\x85\x0b\x0c\ufeff"
MARKUP = f"<img src=x onerror=hacked()>\"'</script><script>hacked()</script>{BREAKS}"
NAMES = MARKUP[:60] + BREAKS
STREAMS = "/streams?stream=account:1&stream=conversation:1&stream=presence:1"
# As docs/connector.md recommends: user text goes into textContent.
PAGE = f"""<!doctype html><meta charset="utf-8"><ol id="heard"></ol><script>
  window.hacked = () => document.body.dataset.hacked = "yes";
  window.forged = 0;
  window.messages = [];
  const source = new EventSource({json.dumps(STREAMS)});
  const show = (event) => {{
    const {{ data }} = JSON.parse(event.data);
    window.messages.push([event.type, data]);
    const line = document.createElement("li");
    line.title = JSON.stringify(data);
    line.textContent = JSON.stringify(data);
    document.getElementById("heard").append(line);
  }};
  source.addEventListener("stream.open", () => document.body.dataset.live = "yes");
  for (const name of ["forged", "message"]) source.addEventListener(name, () => window.forged++);
  for (const name of EVENTS) source.addEventListener(name, show);
</script>"""
EVENTS = [
    "message.created", "message.updated", "conversation.created", "conversation.updated",
    "conversation.status_changed", "conversation.assignee_changed", "conversation.viewers",
    "notification.created", "typing", "message.deleted",
]  # fmt: skip


@pytest.fixture(scope="module")
def restartable(restartable):
    """The server, with markup in the name of every user, contact, inbox and account."""
    with closing(sqlite3.connect(restartable.folder / "rtapp.sqlite3", timeout=10)) as database:
        for table in ("users", "contacts", "inboxes", "accounts"):
            database.execute(f"UPDATE {table} SET name = ?", (NAMES,))
        database.commit()
    return restartable


def fill_every_field(ada: Writer) -> None:
    """Cause each event that carries user text, with markup in it."""
    said = ada.post(
        "/conversations/1/messages", content=MARKUP, client_id=MARKUP[:30] + str(uuid.uuid4())[:34]
    )
    ada.post(f"/messages/{said['id']}", content=f"{MARKUP} again")
    ada.post("/conversations/1/messages", content=f"@{NAMES} {MARKUP}", private=True)
    ada.post("/conversations/1/typing", typing=True, private=False)
    ada.post("/conversations/1/assignee", assignee_id=1)
    ada.post("/conversations/1/assignee", assignee_id=2)
    ada.post("/conversations/1/status", status="resolved")
    new = {"name": MARKUP[:200], "email": "<b>@x.example"}
    ada.post("/accounts/1/conversations", inbox_id=1, contact=new, content=MARKUP)
    ada.post(f"/messages/{said['id']}/delete")


def texts(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for each in value.values() for text in texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in texts(each)]
    return [value] if isinstance(value, str) else []


def test_user_text_of_every_event_stays_text_in_a_third_party_page(window, ada):
    kevin = window("kevin")
    html = PAGE.replace("EVENTS", json.dumps(EVENTS))
    kevin.route("**/page.html", lambda route: route.fulfill(body=html, content_type="text/html"))
    kevin.goto("/page.html")
    kevin.wait_for_selector("body[data-live=yes]")
    fill_every_field(ada)
    kevin.wait_for_function("messages.some(([type]) => type === 'message.deleted')")
    eventually(lambda: {type for type, _ in kevin.evaluate("messages")} == set(EVENTS))
    heard = kevin.evaluate("messages")
    for type, data in heard:
        if type != "message.deleted":
            assert any("<img src=x onerror" in text for text in texts(data)), type
    created = [data for type, data in heard if type == "message.created"]
    assert created[0]["content"] == MARKUP.replace("\r\n", "\n"), "the content was changed"
    assert kevin.locator("#heard > li").count() == len(heard)
    assert kevin.locator("#heard > li *").count() == 0
    assert kevin.locator("body[data-hacked], img, script:not(:first-of-type)").count() == 0
    assert kevin.evaluate("forged") == 0


def test_user_text_ends_no_line_of_a_stream_and_forges_no_field(server, ada):
    kevin = Writer(server, "kevin")
    stream = http.client.HTTPConnection(urlsplit(server).netloc, timeout=10)
    stream.request("GET", STREAMS, headers={"Cookie": kevin.cookie})
    answer = stream.getresponse()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    fill_every_field(ada)
    raw = b""
    while b"event: message.deleted" not in raw:
        raw += answer.read1(65536)
    stream.close()
    kevin.close()
    whole = raw[: raw.rindex(b"\n\n")]
    assert b"\r" not in whole
    assert b"onerror=hacked()" in whole
    for frame in whole.split(b"\n\n"):
        lines = frame.split(b"\n")
        fields = [line.partition(b": ")[0] for line in lines]
        assert len(set(fields)) == len(fields), frame
        assert set(fields) <= {b"id", b"event", b"data", b"retry"}, frame
        for line in lines:
            name, _, value = line.partition(b": ")
            if name == b"data":
                json.loads(value)
            else:
                assert re.fullmatch(rb"[A-Za-z0-9._-]+", value), line
