"""Several streams on one connection, because a browser opens at most six to a host."""

import re

from flask import request

from rtapp import auth
from rtapp.config import ID_LIMIT
from rtapp.errors import BadRequest
from rtapp.errors import NotFound
from rtapp.realtime.handoff import EventStream

from .base import KINDS
from .base import bp
from .base import open_stream

MAX_STREAMS = 32  # streams on one connection
NAME = re.compile(r"([a-z]+):([1-9][0-9]{0,30})", re.ASCII)


@bp.get("")
def several_streams() -> EventStream:
    auth.claimed_subscriber()
    names = request.args.getlist("stream")
    if not 1 <= len(names) <= MAX_STREAMS:
        raise BadRequest(
            f"Name 1 to {MAX_STREAMS} streams, as in ?stream=account:1&stream=conversation:2."
        )
    return open_stream(*(parsed(name) for name in dict.fromkeys(names)))


def parsed(name: str) -> tuple[str, int]:
    match = NAME.fullmatch(name)
    if match is None or match[1] not in KINDS:
        kinds = ", ".join(f"{kind}:<id>" for kind in sorted(KINDS))
        raise BadRequest(f"There is no stream of that name; a stream is one of {kinds}.")
    if int(match[2]) > ID_LIMIT:
        raise NotFound
    return match[1], int(match[2])
