"""Events as HTML: markup in users' texts stays text."""

import json
from html.parser import HTMLParser
from typing import Any

import pytest

from rtapp.events import catalogue
from rtapp.events.catalogue import Each
from rtapp.events.rendering import CHANGES
from rtapp.events.rendering import Renderer
from rtapp.extensions import db
from rtapp.markup import markup
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Inbox
from rtapp.models import User

MARKUP = (
    "\"'></p></li></template></turbo-stream></hx-partial>"
    "<img src=x onerror=a()><script>a()</script>{{7*7}}"
)
TIMES = {
    "created_at", "updated_at", "edited_at", "last_activity_at", "last_public_at", "waiting_since",
    "snoozed_until",
}  # fmt: skip
ENUM_VALUES = {
    "kind": "mention",
    "message_type": "incoming",
    "type": "user",
    "status": "open",
    "url": "/attachments/k",
    "thumbnail_url": "/attachments/k/thumbnail",
}  # made by the server
SHOWS_USER_TEXT = {
    "message.created", "message.updated", "conversation.created", "conversation.updated",
    "conversation.assignee_changed", "conversation.labels_changed", "conversation.contact_changed",
    "conversation.viewers",
    "typing", "notification.created",
}  # fmt: skip
# Events that change nothing on the page, or are shown there by another event that comes with them.
UNRENDERED = {"settings.changed", "inbox.presence"}
SHAPES = {
    (kind, event): shape
    for kind, event in CHANGES
    for shape in catalogue.EPHEMERAL.get(event, [catalogue.DURABLE.get(event)])
}


def sample(shape: Any, name: str = "") -> Any:
    """Return data of that shape, with markup in every field of user text."""
    if isinstance(shape, dict):
        return {field: sample(value, field) for field, value in shape.items()}
    if isinstance(shape, Each):
        if name in ("online_users", "changed"):
            return {"7": "online"}
        if name == "conversations":
            return {"7": 5}
        return [sample(shape.value)]
    if isinstance(shape, tuple):
        return sample(shape[0], name)
    if shape is str:
        return ENUM_VALUES.get(name, "2026-11-23T14:05:00.000Z" if name in TIMES else MARKUP)
    return {int: 5, bool: True}[shape]


class Tags(HTMLParser):
    """The elements and attributes that a browser would parse."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def dangerous(self) -> list[str]:
        return [
            f"{tag} {attributes}"
            for tag, attributes in self.found
            if tag in ("iframe", "object", "base")
            or (tag == "img" and not (attributes.get("src") or "").startswith("/attachments/"))
            or (tag == "script" and not (attributes.get("src") or "").startswith("/static/"))
            or any(name.startswith("on") or name == "style" for name in attributes)
            or any((value or "").startswith("javascript:") for value in attributes.values())
        ]


def rendered(app, format: str, kind: str, event: str, data: Any) -> str:
    body = {"event": event, "stream": f"{kind}:1", "timestamp": 1, "data": data}
    return Renderer(app)(format, event, json.dumps(body).encode()) or ""


def test_the_tests_parser_finds_dangerous_markup():
    assert Tags(MARKUP).dangerous() == [
        "img {'src': 'x', 'onerror': 'a()'}",
        "script {}",
    ]


@pytest.mark.parametrize("format", ["html", "htmx", "turbo"])
@pytest.mark.parametrize(("kind", "event"), SHAPES, ids=[" ".join(key) for key in SHAPES])
def test_user_text_is_escaped_in_the_html_of_every_event(app, format, kind, event):
    data = sample(SHAPES[kind, event])
    if event == "conversation.read":
        data["reader"]["type"] = "contact"
    html = rendered(app, format, kind, event, data)
    assert Tags(html).dangerous() == []
    if format == "turbo":
        streams = [attributes for tag, attributes in Tags(html).found if tag == "turbo-stream"]
        assert streams
        assert all(stream["data-stream"] == f"{kind}:1" for stream in streams)
    assert ("<hx-partial" in html) == (format == "htmx")
    assert ("&lt;script&gt;" in html) == (event in SHOWS_USER_TEXT)


@pytest.mark.parametrize("format", ["html", "htmx", "turbo"])
@pytest.mark.parametrize("event", ["message.created", "message.updated"])
def test_a_message_is_rendered_as_markup_in_every_format_but_activity_is_not(app, format, event):
    data = sample(SHAPES["conversation", event])
    data |= {"content": "**a** <b>\n- www.b.example", "attachments": []}
    written = rendered(app, format, "conversation", event, data)
    assert f'<div class="content" dir="auto">{markup(data["content"])}</div>' in written
    assert "<strong>a</strong> &lt;b&gt;\n<ul><li><a href=" in written
    activity = rendered(app, format, "conversation", event, data | {"message_type": "activity"})
    assert "**a** &lt;b&gt;\n- www.b.example</p>" in activity


def test_a_preview_is_the_source_of_its_message(app):
    data = sample(SHAPES["account", "conversation.updated"])
    data["last_message"]["preview"] = "**a** www.b.example"
    written = rendered(app, "html", "account", "conversation.updated", data)
    assert "<bdi>**a** www.b.example</bdi>" in written


@pytest.mark.parametrize(
    "path", ["/accounts/1/conversations?q=%3Cimg%20src%3Dx%3E%22", "/conversations/1"]
)
def test_names_of_agents_inboxes_accounts_and_contacts_are_escaped_on_pages(app, ada, path):
    with app.app_context():
        for model in (User, Inbox, Account, Contact):
            for row in db.session.query(model):
                row.name = MARKUP
        db.session.commit()
    page = ada.page(path).text
    assert page.count("&lt;script&gt;a()") > 5
    assert Tags(page).dangerous() == []


def test_turbo_typing_appends_an_entry_and_removes_it_at_the_end(app):
    typing = {"conversation_id": 1, "user_id": 7, "user_name": "Ada", "private": False}
    began = rendered(app, "turbo", "conversation", "typing", {**typing, "is_typing": True})
    ended = rendered(app, "turbo", "conversation", "typing", {**typing, "is_typing": False})
    assert 'action="append" target="typing"' in began
    assert 'id="typing-user-7"' in began
    assert 'action="remove" target="typing-user-7"' in ended


def test_a_turbo_presence_change_touches_only_the_entries_of_its_users(app):
    change = {"changed": {"7": "busy"}, "left": [8, 9]}
    html = rendered(app, "turbo", "presence", "presence_update", change)
    actions = [
        (attributes["action"], attributes["target"])
        for tag, attributes in Tags(html).found
        if tag == "turbo-stream"
    ]
    assert actions == [("append", "present"), ("remove", "present-8"), ("remove", "present-9")]


def partials(html: str) -> list[tuple[str | None, str | None]]:
    """The target and the swap style of each `<hx-partial>`."""
    return [
        (attributes["hx-target"], attributes["hx-swap"])
        for tag, attributes in Tags(html).found
        if tag == "hx-partial"
    ]


def test_an_htmx_entry_of_a_list_replaces_the_one_that_is_there_already(app):
    conversation = sample(SHAPES["account", "conversation.updated"])
    html = rendered(app, "htmx", "account", "conversation.updated", conversation)
    id = conversation["id"]
    assert partials(html) == [
        (f"#conversations > #conversation-{id}", "delete"),
        ("#conversations", "afterbegin"),
    ]
    assert html.count(f'<li id="conversation-{id}"') == 1


def test_an_htmx_presence_change_replaces_and_removes_only_the_entries_of_its_users(app):
    change = {"changed": {"7": "busy", "8": "online"}, "left": [9]}
    html = rendered(app, "htmx", "presence", "presence_update", change)
    assert partials(html) == [
        ("#present > #present-7, #present > #present-8", "delete"),
        ("#present", "beforeend"),
        ("#present-9", "delete"),
    ]


@pytest.mark.parametrize(("kind", "event"), SHAPES, ids=[" ".join(key) for key in SHAPES])
def test_htmx_and_turbo_change_the_same_targets_with_the_same_content(app, kind, event):
    data = sample(SHAPES[kind, event])
    turbo = rendered(app, "turbo", kind, event, data)
    htmx = rendered(app, "htmx", kind, event, data)
    targets = [t["target"] for tag, t in Tags(turbo).found if tag == "turbo-stream"]
    again = [f"#{target}" for target in targets]
    assert [target for target, _ in partials(htmx) if ">" not in (target or "")] == again
    wrappers = ("turbo-stream", "template", "hx-partial")
    content = [[t for t in Tags(html).found if t[0] not in wrappers] for html in (turbo, htmx)]
    assert content[0] == content[1]


def test_the_customers_read_position_is_rendered_in_the_thread(app):
    read = {"id": 1, "account_id": 1, "reader": {"type": "contact", "id": 1}, "message_id": 12}
    (stream, data) = Tags(rendered(app, "turbo", "conversation", "conversation.read", read)).found[
        ::2
    ]
    assert stream[1]["target"] == "contact-read"
    assert data == ("data", {"id": "contact-read", "value": "12", "data-version": "12"})
    html = rendered(app, "html", "conversation", "conversation.read", read)
    assert Tags(html).found == [data]


@pytest.mark.parametrize("format", ["html", "htmx", "turbo"])
@pytest.mark.parametrize("kind", ["account", "conversation"])
def test_an_agents_read_event_is_not_rendered(app, format, kind):
    read = {"id": 1, "account_id": 1, "reader": {"type": "user", "id": 1}, "message_id": 1}
    assert rendered(app, format, kind, "conversation.read", read) == ""


def unrendered(changes: Any) -> set[str]:
    """The events of the catalogue for which no stream of the page has a row in `changes`."""
    return {*catalogue.DURABLE, *catalogue.EPHEMERAL} - {event for _, event in changes}


def test_every_event_of_the_catalogue_is_rendered_or_listed_as_unrendered():
    assert unrendered(CHANGES) == UNRENDERED


def test_an_event_without_a_row_for_its_rendering_is_found():
    less = {row for row in CHANGES if row != ("conversation", "typing")}
    assert unrendered(less) == UNRENDERED | {"typing"}
