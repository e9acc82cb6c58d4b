"""Events as HTML fragments: what the `html` and `turbo` formats of a stream carry.

A fragment is made of the event alone, so that one serves every viewer; what differs per viewer is
left to data attributes.
"""

import json
from datetime import datetime
from typing import NamedTuple

from flask import Flask
from jinja2 import Environment


class Fragment(NamedTuple):
    """Which template shows an event, under which name it finds the data, and what Turbo does."""

    template: str
    variable: str
    action: str
    target: str


FRAGMENTS = {
    ("conversation", "message.created"): Fragment("message", "message", "append", "messages"),
    ("account", "conversation.updated"): Fragment(
        "conversation", "conversation", "prepend", "conversations"
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
        template = self._templates.get_template(f"fragments/{fragment.template}.html")
        html = template.render({fragment.variable: envelope["data"]}).strip()
        if format == "html":
            return html
        return (
            f'<turbo-stream action="{fragment.action}" target="{fragment.target}"'
            f' data-stream="{envelope["stream"]}">'
            f"<template>{html}</template></turbo-stream>"
        )


def clock_time(moment: str) -> str:
    """An RFC 3339 time as `14:05` (UTC; the page's script turns it into the viewer's)."""
    return f"{datetime.fromisoformat(moment):%H:%M}"


def day(moment: str) -> str:
    """An RFC 3339 time as `23 Nov 2026`."""
    return f"{datetime.fromisoformat(moment):%-d %b %Y}"
