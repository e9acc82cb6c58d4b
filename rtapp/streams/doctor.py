"""The stream of a probe: see rtapp/doctor/stream.py."""

from flask import current_app
from flask import request

from rtapp.doctor import stream
from rtapp.doctor import ticket
from rtapp.realtime.engine import Engine
from rtapp.realtime.handoff import EventStream
from rtapp.realtime.subscriber import Subscription

from .base import bp

NOBODY = 0  # no id of a user; a sweep closes the stream within a minute, as signed out


@bp.get("/doctor")
def doctor_stream() -> EventStream:
    """Needs a ticket; nothing but its probe is published there."""
    probe = ticket.probe_of(request.args.get("ticket", ""))
    engine: Engine = current_app.extensions["engine"]
    topics = (stream.topic_of(probe),)
    return EventStream(
        engine.hub,
        Subscription(stream.ACCOUNT, (f"doctor:{NOBODY}",), topics, user_id=NOBODY),
    )
