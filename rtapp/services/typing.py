"""Typing. It is ephemeral: written to Redis in the background, never to the database."""

import json

from flask import current_app

from rtapp.events import audience
from rtapp.events import presenters
from rtapp.models import Principal
from rtapp.realtime import typing
from rtapp.realtime.engine import Engine
from rtapp.realtime.group import Group
from rtapp.realtime.typing import TYPING


def submit_typing(
    principal: Principal,
    account_id: int,
    conversation_id: int,
    *,
    is_typing: bool,
    private: bool = False,
) -> None:
    """Publish that the principal types or has stopped, if that is a change. Never raises.

    A private start goes to the agents' topic; on the customer's topic it counts as a stop.
    """
    holder = f"{presenters.kind(principal)}:{principal.id}"
    started = typing.started(holder, json.dumps({"name": principal.name, "private": private}))
    stopped = typing.stopped(holder)
    started_on = audience.of_typing(conversation_id, private) if is_typing else ()
    engine: Engine = current_app.extensions["engine"]
    for topic in audience.of_typing(conversation_id, private=False):
        change = started if topic in started_on else stopped
        engine.announce(account_id, Group(TYPING, topic), change)
