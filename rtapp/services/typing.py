"""Typing is told to Redis alone, behind the request's back: it is not worth anybody's waiting."""

import json

from flask import current_app

from rtapp.events import audience
from rtapp.events import presenters
from rtapp.models import Principal
from rtapp.realtime import typing
from rtapp.realtime.engine import Engine
from rtapp.realtime.group import Group
from rtapp.realtime.typing import TYPING


def tell_typing(
    principal: Principal,
    account_id: int,
    conversation_id: int,
    *,
    is_typing: bool,
    private: bool = False,
) -> None:
    """Has those who may know hear that the principal types, if that is new. Never raises."""
    holder = f"{presenters.kind(principal)}:{principal.id}"
    started = typing.started(holder, json.dumps({"name": principal.name, "private": private}))
    stopped = typing.stopped(holder)
    heard_by = audience.of_typing(conversation_id, private) if is_typing else ()
    engine: Engine = current_app.extensions["engine"]
    for topic in audience.of_typing(conversation_id, private=False):
        change = started if topic in heard_by else stopped
        engine.announce(account_id, Group(TYPING, topic), change)
