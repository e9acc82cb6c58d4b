"""The names, parameters, limits and subscription of all streams."""

from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import NamedTuple

from flask import Blueprint
from flask import Flask
from flask import current_app
from flask import g
from flask import has_app_context
from flask import request
from sqlalchemy.exc import SQLAlchemyError

from rtapp import access
from rtapp import addresses
from rtapp import auth
from rtapp import database
from rtapp.access import ConversationRef
from rtapp.config import MAX_WAIT
from rtapp.config import STREAMS_PER_VISITOR
from rtapp.errors import BadRequest
from rtapp.errors import Problem
from rtapp.errors import TooManyRequests
from rtapp.errors import Unauthorized
from rtapp.errors import Unavailable
from rtapp.events import outbox
from rtapp.extensions import db
from rtapp.grants import subscriber_id
from rtapp.models import CustomerIdentity
from rtapp.models import Principal
from rtapp.realtime.broker import Topic
from rtapp.realtime.cursor import Cursor
from rtapp.realtime.cursor import MalformedCursor
from rtapp.realtime.engine import Engine
from rtapp.realtime.frames import FORMATS
from rtapp.realtime.group import LeaseSpec
from rtapp.realtime.handoff import EventStream
from rtapp.realtime.limits import max_streams
from rtapp.realtime.stream_counts import Limit
from rtapp.realtime.stream_counts import Reservation
from rtapp.realtime.stream_counts import holder
from rtapp.realtime.subscriber import Subscription

bp = Blueprint("streams", __name__, url_prefix="/streams")

RETRY_AFTER = 30  # s, the Retry-After for a client with too many streams


@bp.before_request
def refuse_token_in_address() -> None:
    """Raises Unauthorized for a stream with a token in its URL alone. To ignore it would open the
    stream to the user of the browser's cookie, in a page that is another one's."""
    if "token" in request.args and not auth.has_bearer(request):
        raise Unauthorized(
            "A token is sent in the header Authorization (Bearer), not in the address of a stream."
        )


class ChangesWait(OSError):
    """A stream can't be authorised yet: a change of rights, which resets it, is not published."""


class Stream(NamedTuple):
    """A principal's stream: the names of its topics, all of one account, and the leases that it
    holds while it is open."""

    account_id: int
    topics: list[str]
    leases: tuple[LeaseSpec, ...] = ()


# (principal, id) → the stream of a kind. Raises NotFound if the principal may not receive it.
Authorise = Callable[[Principal, int], Stream]
KINDS: dict[str, Authorise] = {}


def stream(kind: str) -> Callable[[Authorise], Authorise]:
    """Register the decorated function to authorise the streams `<kind>:<id>`."""

    def register(authorise: Authorise) -> Authorise:
        KINDS[kind] = authorise
        return authorise

    return register


def open_stream(*names: tuple[str, int]) -> EventStream:
    """The response that carries the streams (kind, id) of one account.

    If one of them is refused, the request is. Raises a Problem. Without the database, a credential
    with a valid signature is accepted for now: to another answer than 200, a native EventSource
    does not come back (https://html.spec.whatwg.org/multipage/server-sent-events.html, "fail the
    connection"). The stream is authorised, or closed, when the database is back.
    """
    engine: Engine = current_app.extensions["engine"]
    streams = tuple(f"{kind}:{id}" for kind, id in names)
    try:
        principal = auth.current_principal()
        most = most_streams(principal)
        requested = requested_subscription(engine, streams, subscriber_id(principal), most)
        account_id, topics, leases = allowed_to(principal, streams)
    except SQLAlchemyError as error:
        away = database.problem(error)
        if away is None:
            raise
        database.log(error, away.sentence)
        most = current_app.config["STREAMS_PER_USER"]
        requested = requested_subscription(engine, streams, auth.claimed_subscriber(), most)
        return EventStream(engine.hub, requested, reserved(engine, requested, most))
    subscription = replace(
        requested,
        account_id=account_id,
        topics=topics,
        cursor=resumable(requested.cursor, account_id, topics),
        leases=leases,
        authorised=True,
    )
    return EventStream(engine.hub, subscription, reserved(engine, subscription, most))


def requested_subscription(
    engine: Engine, streams: tuple[str, ...], subscriber: int, most: int
) -> Subscription:
    """The subscription that the request asks for, before it is authorised. Raises a Problem.

    `most`: the streams that the subscriber may have open, 0 for no limit."""
    refuse_other_user(subscriber)
    format = requested_format()
    cursor = requested_cursor()
    wait = requested_wait()
    address = addresses.network()
    refuse_too_many(engine, subscriber, most, address)
    return Subscription(
        account_id=0,
        streams=streams,
        topics=(),
        format=format,
        cursor=cursor,
        user_id=subscriber,
        credential=auth.credential(),
        address=address,
        user_agent=auth.user_agent(),
        wait=wait,
        authorised=False,
    )


def most_streams(principal: Principal) -> int:
    """The number of streams that the principal may have open; 0 for no limit."""
    most: int = current_app.config["STREAMS_PER_USER"]
    if isinstance(principal, CustomerIdentity) and principal.inbox_id is not None:
        return STREAMS_PER_VISITOR
    return most


def allowed_to(
    principal: Principal, names: tuple[str, ...]
) -> tuple[int, tuple[Topic, ...], tuple[LeaseSpec, ...]]:
    """The account of the named streams, and their topics and leases for this principal.

    Raises NotFound if the principal may not receive one of them, Forbidden for a blocked customer,
    BadRequest if the streams are of two accounts.
    """
    access.refuse_blocked_visitor(principal)
    allowed = [KINDS[kind](principal, int(id)) for kind, _, id in (n.partition(":") for n in names)]
    account_id = allowed[0].account_id
    if any(stream.account_id != account_id for stream in allowed):
        raise BadRequest("All streams of one connection must be of one account.")
    topics = (Topic(account_id, name) for stream in allowed for name in stream.topics)
    leases = (lease for stream in allowed for lease in stream.leases)
    return account_id, tuple(dict.fromkeys(topics)), tuple(leases)


def refuse_other_user(subscriber: int) -> None:
    """Raises Unauthorized if the request names another `user` than the principal's id.

    A page sends the user for whom it was rendered. After another user has signed in, it would
    otherwise reconnect with the new session's cookie and show that user's events.
    """
    expected = request.args.get("user")
    if expected is not None and expected != str(abs(subscriber)):
        raise Unauthorized("You are signed in as somebody else by now; load the page again.")


def requested_format() -> str:
    format = request.args.get("format", "json")
    if format not in FORMATS:
        raise BadRequest(f"The format must be one of {', '.join(FORMATS)}.")
    return format


def requested_cursor() -> Cursor | None:
    """The cursor to resume from: EventSource's Last-Event-ID header, or the query parameter."""
    text = request.headers.get("Last-Event-ID") or request.args.get("last_event_id")
    if not text:
        return None
    try:
        return Cursor.parse(text)
    except MalformedCursor as error:
        raise BadRequest(str(error)) from error


def requested_wait() -> int:
    """The seconds after which the stream ends without an event; 0 for a stream without an end."""
    text = request.args.get("wait")
    if text is None:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) <= 2 and 1 <= int(text) <= MAX_WAIT):
        raise BadRequest(f"wait must be a whole number of seconds from 1 to {MAX_WAIT}.")
    return int(text)


def resumable(cursor: Cursor | None, account_id: int, topics: tuple[Topic, ...]) -> Cursor | None:
    """The cursor, or one that leads to a reset if a change of rights has not been published yet:
    in front of its reset, the logs have events of topics that the principal has just gained.

    Call it after `allowed_to`: a change that it did not find yet is announced to open streams.
    """
    return cursor.rewound() if cursor and reset_waits(account_id, topics) else cursor


def reset_waits(account_id: int, topics: tuple[Topic, ...]) -> bool:
    return outbox.reset_waits(account_id, [topic.name for topic in topics])


class Together:
    """What questions that are asked in a row have in common, which is read once."""

    def __init__(self, questions: Iterable[Subscription]):
        self._conversations: dict[str, set[int]] = {}  # by credential
        for question in questions:
            ids = self._conversations.setdefault(question.credential, set())
            ids.update(conversations_of(question.streams))
        self._principals: dict[str, Principal | None] = {}
        self._refs: dict[tuple[Principal, int], ConversationRef] = {}

    def principal(self, credential: str) -> Principal | None:
        """Whom the credential authenticates. What they see of the conversations is read, too."""
        if credential not in self._principals:
            principal = auth.principal_of(credential)
            ids = self._conversations.get(credential, set())
            if principal is not None and len(ids) > 1:
                for ref in access.conversation_refs(principal, ids):
                    self._refs[principal, ref.id] = ref
            self._principals[credential] = principal
        return self._principals[credential]

    def ref(self, principal: Principal, conversation_id: int) -> ConversationRef | None:
        return self._refs.get((principal, conversation_id))

    def forget(self) -> None:
        self._principals.clear()
        self._refs.clear()


def conversations_of(streams: Iterable[str]) -> Iterator[int]:
    for name in streams:
        kind, _, id = name.partition(":")
        if kind == "conversation":
            yield int(id)


def found_together(principal: Principal, conversation_id: int) -> ConversationRef | None:
    """The conversation's ref, if it was read with those of other streams and the principal sees
    it: for None, access.py is to be asked."""
    together: Together | None = g.get("together")
    return together.ref(principal, conversation_id) if together is not None else None


@contextmanager
def authorising(app: Flask, questions: Iterable[Subscription]) -> Iterator[Together]:
    """A block of a few milliseconds in which `authorise_again` is asked these questions, those of a
    credential in a row: it is looked up once, and one query finds the conversations it sees."""
    with app.app_context():
        g.together = Together(questions)
        yield g.together


def authorise_again(app: Flask, subscription: Subscription) -> Subscription | str:
    """The subscription with its present topics and leases, or the reason to close its stream.

    While a change of rights has not been published yet, an open stream gains no topic: its reset,
    which is still to come, has the stream authorised again. Raises ChangesWait then for a stream
    that has never been authorised: see `resumable`.
    """
    together: Together | None = g.get("together") if has_app_context() else None
    if together is None:
        with authorising(app, [subscription]):
            return authorise_again(app, subscription)
    try:
        return allowed_now(subscription, together.principal(subscription.credential))
    except Exception:
        together.forget()
        db.session.remove()  # the questions that follow begin anew
        raise


def allowed_now(subscription: Subscription, principal: Principal | None) -> Subscription | str:
    if principal is None or subscriber_id(principal) != subscription.user_id:
        return "signed_out"
    try:
        account_id, topics, leases = allowed_to(principal, subscription.streams)
    except Problem:
        return "forbidden"
    allowed = replace(
        subscription, account_id=account_id, topics=topics, leases=leases, authorised=True
    )
    if not subscription.topics and reset_waits(account_id, topics):
        raise ChangesWait("A change of rights waits to be published.")
    if (
        subscription.authorised
        and topics != subscription.topics
        and reset_waits(account_id, topics)
    ):
        kept = tuple(topic for topic in subscription.topics if topic in topics)
        return replace(allowed, topics=kept, authorised=False)
    return allowed


def refuse_too_many(engine: Engine, subscriber: int, most: int, address: str) -> None:
    """Raises Unavailable or TooManyRequests by what this process knows. `reserved` asks Redis."""
    if len(engine.hub) >= max_streams():
        raise Unavailable(
            "This server holds as many streams as it can.",
            headers={"Retry-After": str(RETRY_AFTER)},
        )
    counts = engine.stream_counts
    limits = limits_of(subscriber, most, address)
    if any(limit and counts.own(subject) >= limit for subject, limit in limits):
        raise too_many()


def reserved(engine: Engine, subscription: Subscription, most: int) -> Reservation:
    """Count the stream, before it is open, with those of all processes. Raises TooManyRequests."""
    limits = limits_of(subscription.user_id or 0, most, subscription.address)
    reservation = engine.stream_counts.reserve(subscription, limits)
    if reservation is None:
        raise too_many()
    return reservation


def limits_of(subscriber: int, most: int, address: str) -> list[Limit]:
    limits = [Limit(holder(subscriber), most)]
    if address != addresses.UNKNOWN:
        most_of_address: int = current_app.config["STREAMS_PER_ADDRESS"]
        limits.append(Limit(f"address:{address}", most_of_address))
    return limits


def too_many() -> TooManyRequests:
    return TooManyRequests(
        "Too many streams are open; close some, or use one connection for several streams.",
        headers={"Retry-After": str(RETRY_AFTER)},
    )
