"""What every stream has in common: names, parameters, limits, and the subscription they make."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from flask import Blueprint
from flask import Flask
from flask import current_app
from flask import request

from rtapp import auth
from rtapp.errors import BadRequest
from rtapp.errors import Problem
from rtapp.errors import TooManyRequests
from rtapp.errors import Unauthorized
from rtapp.errors import Unavailable
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.realtime.broker import Topic
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.cursor import MalformedCursor
from rtapp.realtime.engine import Engine
from rtapp.realtime.frames import FORMATS
from rtapp.realtime.group import LeaseSpec
from rtapp.realtime.handoff import EventStream
from rtapp.realtime.hub import Hub
from rtapp.realtime.limits import max_streams
from rtapp.realtime.subscriber import Subscription

bp = Blueprint("streams", __name__, url_prefix="/streams")

RETRY_AFTER = 30  # s that a client with too many streams is asked to wait


class Stream(NamedTuple):
    """What a user's stream listens to: names of topics, all within one account; and what it holds
    in groups as long as it is open."""

    account_id: int
    topics: list[str]
    leases: tuple[LeaseSpec, ...] = ()


# (principal, id) → the stream of a kind. Raises NotFound if the principal may not hear it.
Authorise = Callable[[Principal, int], Stream]
KINDS: dict[str, Authorise] = {}


def stream(kind: str) -> Callable[[Authorise], Authorise]:
    """Makes `<kind>:<id>` a stream, authorised by the decorated function."""

    def register(authorise: Authorise) -> Authorise:
        KINDS[kind] = authorise
        return authorise

    return register


def open_stream(*names: tuple[str, int]) -> EventStream:
    """The response for the streams (kind, id) of one account. One refused refuses all of them."""
    principal = auth.current_principal()
    refuse_another(principal)
    format = asked_format()
    cursor = asked_cursor()
    engine: Engine = current_app.extensions["engine"]
    refuse_too_many(engine.hub, listener_id(principal))
    streams = tuple(f"{kind}:{id}" for kind, id in names)
    account_id, topics, leases = allowed_to(principal, streams)
    subscription = Subscription(
        account_id=account_id,
        streams=streams,
        topics=topics,
        format=format,
        cursor=cursor,
        user_id=listener_id(principal),
        credential=auth.credential(),
        address=request.remote_addr or "",
        leases=leases,
    )
    return EventStream(engine.hub, subscription)


def listener_id(principal: Principal) -> int:
    """By what the hub knows whose a stream is. Contacts, who have ids of their own, are below 0."""
    return -principal.id if isinstance(principal, Customer) else principal.id


def allowed_to(
    principal: Principal, names: tuple[str, ...]
) -> tuple[int, tuple[Topic, ...], tuple[LeaseSpec, ...]]:
    """Return the account of the named streams, their topics for this principal, and their leases.

    Raises NotFound if they may not hear one of them, BadRequest if they are of two accounts.
    """
    allowed = [KINDS[kind](principal, int(id)) for kind, _, id in (n.partition(":") for n in names)]
    account_id = allowed[0].account_id
    if any(stream.account_id != account_id for stream in allowed):
        raise BadRequest("All streams of one connection must be of one account.")
    topics = (Topic(account_id, name) for stream in allowed for name in stream.topics)
    leases = (lease for stream in allowed for lease in stream.leases)
    return account_id, tuple(dict.fromkeys(topics)), tuple(leases)


def refuse_another(principal: Principal) -> None:
    """A page says for whom it was made (`user`): whoever has signed in since must not hear it all
    in the other's page, which would come back by itself with the new session's cookie."""
    wanted = request.args.get("user")
    if wanted is not None and wanted != str(principal.id):
        raise Unauthorized("You are signed in as somebody else by now; load the page again.")


def asked_format() -> str:
    format = request.args.get("format", "json")
    if format not in FORMATS:
        raise BadRequest(f"The format must be one of {', '.join(FORMATS)}.")
    return format


def asked_cursor() -> Cursor | None:
    """Where to resume: "Last-Event-ID" as EventSource sends it, or what a page asks for."""
    text = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except MalformedCursor as error:
        raise BadRequest(str(error)) from error


def authorise_again(app: Flask, subscription: Subscription) -> Subscription | str:
    """What an open stream is allowed today, or the reason for which it must be closed."""
    with app.app_context():
        principal = auth.principal_of(subscription.credential)
        if principal is None:
            return "signed_out"
        try:
            _, topics, leases = allowed_to(principal, subscription.streams)
        except Problem:
            return "forbidden"
        return replace(subscription, topics=topics, leases=leases)


def refuse_too_many(hub: Hub, listener: int) -> None:
    if len(hub) >= max_streams():
        raise Unavailable(
            "This server holds as many streams as it can.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )
    limits = (
        (hub.users[listener], current_app.config["STREAMS_PER_USER"]),
        (hub.addresses[request.remote_addr or ""], current_app.config["STREAMS_PER_ADDRESS"]),
    )
    if any(limit and open >= limit for open, limit in limits):
        raise TooManyRequests(
            "Too many streams are open; close some, or use one connection for several streams.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )
