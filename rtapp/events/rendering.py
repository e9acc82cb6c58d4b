"""Events as HTML fragments, for the `html`, `htmx` and `turbo` formats of a stream.

A fragment is made of the event alone, so that all viewers share it. Data attributes and the page's
script add what differs between viewers.
"""

import json
import re
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any
from typing import NamedTuple

from flask import Flask
from jinja2 import Environment

Data = Mapping[str, Any]
NOTHING: Data = MappingProxyType({})
# Turbo's actions → the swap styles of htmx 4.
SWAPS = {
    "append": "beforeend",
    "prepend": "afterbegin",
    "replace": "outerHTML",
    "update": "innerHTML",
    "remove": "delete",
}
ENTRY = re.compile(r'<li id="([a-z0-9-]+)"')  # of a list, in a fragment


class Change(NamedTuple):
    """An action of Turbo on the element `target`, with a template and its `context`."""

    action: str
    target: str
    template: str | None = None
    context: Data = NOTHING


def message_created(message: Data) -> Iterator[Change]:
    yield Change("append", "messages", "message", {"message": message})


def message_updated(message: Data) -> Iterator[Change]:
    yield Change("replace", f"message-{message['id']}", "message", {"message": message})


def message_deleted(message: Data) -> Iterator[Change]:
    yield Change("replace", f"message-{message['id']}", "deleted_message", {"message": message})


def conversation_listed(conversation: Data) -> Iterator[Change]:
    yield Change("prepend", "conversations", "conversation", {"conversation": conversation})


def conversation_removed(conversation: Data) -> Iterator[Change]:
    yield Change("remove", f"conversation-{conversation['id']}")


def contact_read(data: Data) -> Iterator[Change]:
    """The customer's read marker, from which the page marks a reply as seen. An agent's read marker
    renders nothing."""
    if data["reader"]["type"] == "contact":
        yield Change("replace", "contact-read", "contact_read", data)


def status_changed(change: Data) -> Iterator[Change]:
    yield Change("replace", "thread-status", "status", {"conversation": change})


def assignee_changed(change: Data) -> Iterator[Change]:
    yield Change("replace", "thread-assignee", "assignee", {"conversation": change})


def labels_changed(change: Data) -> Iterator[Change]:
    yield Change("replace", "thread-labels", "labels", {"conversation": change})


def contact_changed(change: Data) -> Iterator[Change]:
    yield Change("replace", "thread-contact", "thread_contact", change)
    yield Change("replace", "contact-details", "contact_details", change)


def typing(data: Data) -> Iterator[Change]:
    """An entry of the typists' list, from which the page makes its line."""
    who = f"user-{data['user_id']}" if "user_id" in data else f"contact-{data['contact_id']}"
    if data["is_typing"]:
        yield Change("append", "typing", "typist", {"who": who, "typing": data})
    else:
        yield Change("remove", f"typing-{who}")


def viewers(data: Data) -> Iterator[Change]:
    """An entry of the viewers' list, from which the page marks rows and the thread."""
    if data["viewers"]:
        yield Change("append", "viewing", "viewers", data)
    else:
        yield Change("remove", f"viewing-{data['conversation_id']}")


def contact_presence(data: Data) -> Iterator[Change]:
    """Whether the thread's customer is on the website now."""
    yield Change("replace", "contact-presence", "contact_presence", data)


def presence(data: Data) -> Iterator[Change]:
    """Entries of the presence list, from which the page sets the dots beside names."""
    if "online_users" in data:
        yield Change("update", "present", "present", {"users": data["online_users"]})
        return
    if data["changed"]:
        yield Change("append", "present", "present", {"users": data["changed"]})
    for user_id in data["left"]:
        yield Change("remove", f"present-{user_id}")


def notification_created(notification: Data) -> Iterator[Change]:
    yield Change("prepend", "notifications", "notification", {"notification": notification})


def notification_read(data: Data) -> Iterator[Change]:
    for id in data["ids"]:
        yield Change("remove", f"notification-{id}-unread")


def unread_changed(numbers: Data) -> Iterator[Change]:
    """The element from which the page sets the counts beside rows and views."""
    yield Change("update", "unread", "unread", {"unread": numbers})


# (kind of stream, event) → the changes of a page. An event without an entry renders nothing.
CHANGES: Mapping[tuple[str, str], Callable[[Data], Iterator[Change]]] = {
    ("conversation", "message.created"): message_created,
    ("conversation", "message.updated"): message_updated,
    ("conversation", "message.deleted"): message_deleted,
    ("conversation", "conversation.status_changed"): status_changed,
    ("conversation", "conversation.assignee_changed"): assignee_changed,
    ("conversation", "conversation.labels_changed"): labels_changed,
    ("conversation", "conversation.contact_changed"): contact_changed,
    ("conversation", "conversation.read"): contact_read,
    ("conversation", "conversation.viewers"): viewers,
    ("conversation", "typing"): typing,
    ("conversation", "contact.presence"): contact_presence,
    ("account", "conversation.created"): conversation_listed,
    ("account", "conversation.updated"): conversation_listed,
    ("account", "conversation.removed"): conversation_removed,
    ("account", "conversation.viewers"): viewers,
    ("account", "unread.changed"): unread_changed,
    ("account", "notification.created"): notification_created,
    ("account", "notification.read"): notification_read,
    ("presence", "presence_update"): presence,
}


class Renderer:
    """`render(format, event, body)` as the hub calls it. `body` is the envelope as JSON."""

    def __init__(self, app: Flask):
        self._templates: Environment = app.jinja_env

    def __call__(self, format: str, event: str, body: bytes) -> str | None:
        """The fragment, or None for an event that renders nothing."""
        envelope = json.loads(body)
        kind = envelope["stream"].partition(":")[0]
        if (kind, event) not in CHANGES:
            return None
        changes = list(CHANGES[kind, event](envelope["data"]))
        if format == "html":
            return "".join(self._html(change) for change in changes) or None
        if format == "htmx":
            return "".join(self._partial(change) for change in changes) or None
        return "".join(self._turbo(change, envelope["stream"]) for change in changes) or None

    def _partial(self, change: Change) -> str:
        """An `<hx-partial>` of htmx 4, which swaps its content into its own target.

        An entry that the list has already is removed first, as Turbo does ("append": "if the
        element's id already exists, it is replaced"): htmx would show it twice.
        """
        content, target = self._html(change), f"#{change.target}"
        before = ""
        if change.action in ("append", "prepend"):
            entries = ", ".join(f"{target} > #{id}" for id in ENTRY.findall(content))
            before = f'<hx-partial hx-target="{entries}" hx-swap="delete"></hx-partial>'
        swap = SWAPS[change.action]
        return f'{before}<hx-partial hx-target="{target}" hx-swap="{swap}">{content}</hx-partial>'

    def _turbo(self, change: Change, stream: str) -> str:
        content = f"<template>{self._html(change)}</template>" if change.template else ""
        return (
            f'<turbo-stream action="{change.action}" target="{change.target}"'
            f' data-stream="{stream}">{content}</turbo-stream>'
        )

    def _html(self, change: Change) -> str:
        if change.template is None:
            return ""
        template = self._templates.get_template(f"fragments/{change.template}.html")
        return template.render(change.context).strip()


def clock_time(moment: str) -> str:
    """An RFC 3339 time as `14:05` in UTC. The page's script converts it to the viewer's zone."""
    return f"{datetime.fromisoformat(moment):%H:%M}"


def day(moment: str) -> str:
    """An RFC 3339 time as `23 Nov 2026`."""
    return f"{datetime.fromisoformat(moment):%-d %b %Y}"
