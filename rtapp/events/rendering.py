"""Events as HTML fragments: what the `html` and `turbo` formats of a stream carry.

A fragment is made of the event alone, so that one serves every viewer; what differs per viewer is
left to data attributes.
"""

import json
from datetime import datetime
from typing import Any
from typing import NamedTuple

from flask import Flask
from jinja2 import Environment


class Fragment(NamedTuple):
    """Which template shows an event, under which name it finds the data, and what Turbo does to
    which element, where `{id}` stands for the data's id. Without a template there is no HTML."""

    template: str | None
    variable: str
    action: str
    target: str


LISTED = Fragment("conversation", "conversation", "prepend", "conversations")
FRAGMENTS = {
    ("conversation", "message.created"): Fragment("message", "message", "append", "messages"),
    ("conversation", "message.updated"): Fragment("message", "message", "replace", "message-{id}"),
    ("conversation", "message.deleted"): Fragment(
        "deleted_message", "message", "replace", "message-{id}"
    ),
    ("account", "unread.changed"): Fragment("unread", "unread", "update", "unread"),
    ("account", "conversation.created"): LISTED,
    ("account", "conversation.updated"): LISTED,
    ("account", "conversation.removed"): Fragment(
        None, "conversation", "remove", "conversation-{id}"
    ),
}


class Renderer:
    """`render(format, event, body)` for the hub: `body` is the envelope as JSON."""

    def __init__(self, app: Flask):
        self._templates: Environment = app.jinja_env

    def __call__(self, format: str, event: str, body: bytes) -> str | None:
        """Returns None for an event that nothing on a page shows."""
        envelope = json.loads(body)
        kind = envelope["stream"].partition(":")[0]
        fragment = FRAGMENTS.get((kind, event))
        if fragment is None:
            return None
        html = self._html(fragment, envelope["data"])
        if format == "html":
            return html
        target = fragment.target.format(**envelope["data"])
        content = f"<template>{html}</template>" if html is not None else ""
        return (
            f'<turbo-stream action="{fragment.action}" target="{target}"'
            f' data-stream="{envelope["stream"]}">{content}</turbo-stream>'
        )

    def _html(self, fragment: Fragment, data: dict[str, Any]) -> str | None:
        if fragment.template is None:
            return None
        template = self._templates.get_template(f"fragments/{fragment.template}.html")
        return template.render({fragment.variable: data}).strip()


def clock_time(moment: str) -> str:
    """An RFC 3339 time as `14:05` (UTC; the page's script turns it into the viewer's)."""
    return f"{datetime.fromisoformat(moment):%H:%M}"


def day(moment: str) -> str:
    """An RFC 3339 time as `23 Nov 2026`."""
    return f"{datetime.fromisoformat(moment):%-d %b %Y}"
