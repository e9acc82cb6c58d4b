"""The inspect page of administrators: the account's open streams, their resets and gaps, and what
waits in its outbox."""

import logging
from datetime import UTC
from datetime import datetime
from typing import Annotated
from typing import Any

from flask import Blueprint
from flask import current_app
from flask import jsonify
from flask import url_for
from pydantic import Field
from redis.exceptions import RedisError
from sqlalchemy import select
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import validation
from rtapp.answers import answer
from rtapp.answers import done
from rtapp.clock import rfc3339
from rtapp.devices import device
from rtapp.errors import NotFound
from rtapp.errors import Unavailable
from rtapp.errors import wants_html
from rtapp.events import outbox
from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import OutboxEvent
from rtapp.models import User
from rtapp.realtime.engine import Engine
from rtapp.realtime.incidents import Incident
from rtapp.realtime.inspection import Ending
from rtapp.realtime.inspection import OpenStream
from rtapp.realtime.inspection import Report
from rtapp.validation import Body
from rtapp.validation import Text

from .management import NoFields
from .management import settings_page

bp = Blueprint("inspection", __name__)

INSPECT = "inspect its streams and events"
AWAY = "Redis does not answer, so that the processes can't be asked for their streams. Try again."
GONE = "This stream has ended already."
UNSURE = (
    "Not every process has answered: the stream may still be open. Load the page again, and end it "
    "once more if it is still there."
)
DEAD_LETTERS_SHOWN = 50

logger = logging.getLogger(__name__)


class WhichStream(Body):
    """`stream`: the id of one of the list."""

    stream: Annotated[Text, Field(min_length=1, max_length=64)]


@bp.get("/accounts/<id:account_id>/settings/inspect")
def several(account_id: int) -> Response | str:
    """The account's open streams, resets, gaps and unpublished events, as a page or as JSON."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), INSPECT)
    return page(user, account_id) if wants_html() else jsonify(inspected(account_id))


@bp.post("/accounts/<id:account_id>/settings/inspect/streams/end")
def end(account_id: int) -> Response | tuple[str, int]:
    """End an open stream of the account. Its client connects again."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), INSPECT)
    stream = validation.body(WhichStream).stream
    ending = end_stream(account_id, stream)
    if ending.ended:
        logger.info("User %s ended a stream of account %s", user.id, account_id)
        return done(page_of(account_id))
    if not ending.complete:
        raise Unavailable(UNSURE)
    if wants_html():
        return page(user, account_id, GONE), 404
    raise NotFound


@bp.post("/accounts/<id:account_id>/settings/inspect/outbox/retry")
def retry(account_id: int) -> Response:
    """Try to publish the account's dead letters again."""
    user = auth.signed_in()
    access.refuse_agent(access.membership_in(user, account_id), INSPECT)
    validation.body(NoFields)
    retried = outbox.retry(account_id)
    logger.info("User %s retried %s events of account %s", user.id, retried, account_id)
    return answer({"retried": retried}, 200, page_of(account_id))


def page_of(account_id: int) -> str:
    return url_for("inspection.several", account_id=account_id)


def page(user: User, account_id: int, refused: str | None = None) -> str:
    return settings_page(
        "manage/inspection.html", user, account_id, found=inspected(account_id), refused=refused
    )


def inspected(account_id: int) -> dict[str, Any]:
    """The account as the processes and the outbox have it now."""
    report = report_of(account_id)
    return {
        "processes": None
        if report is None
        else {"asked": report.asked, "answered": report.answered},
        "problem": problem_of(report),
        "total": report.total if report is not None else 0,
        "streams": streams_of(report.streams) if report is not None else [],
        "incidents": [shown_incident(i) for i in report.incidents] if report is not None else [],
        "outbox": outbox_of(account_id),
    }


def report_of(account_id: int) -> Report | None:
    """None while Redis is away."""
    engine: Engine = current_app.extensions["engine"]
    db.session.commit()  # give the connection back: the processes take their time
    try:
        return engine.inspection.report(account_id)
    except (RedisError, OSError):
        return None


def end_stream(account_id: int, stream: str) -> Ending:
    """Raises Unavailable while Redis is away."""
    engine: Engine = current_app.extensions["engine"]
    try:
        return engine.inspection.end(account_id, stream)
    except (RedisError, OSError) as error:
        raise Unavailable(AWAY) from error


def problem_of(report: Report | None) -> str | None:
    if report is None:
        return AWAY
    if report.asked == 0:
        return "No process listens to Redis: they may be connecting again. Load the page again."
    if report.answered < report.asked:
        return (
            f"{report.answered} of {report.asked} processes have answered; the streams of the "
            "others are missing here. Load the page again."
        )
    return None


def streams_of(streams: list[OpenStream]) -> list[dict[str, Any]]:
    """For JSON and the page. What a client sent as its User-Agent is text of its own choice."""
    ids = {stream.user_id for stream in streams}
    users, contacts = names(User, ids), names(Contact, {-id for id in ids})
    rows = []
    for stream in streams:
        id = abs(stream.user_id)
        kind, name = (
            ("user", users.get(id)) if stream.user_id > 0 else ("contact", contacts.get(id))
        )
        row = stream._asdict() | {
            "user": {"type": kind, "id": id, "name": name or ""},
            "address": stream.address.removesuffix("/32"),  # IPv4: the whole address
            "device": device(stream.user_agent),
            "since": moment(stream.since),
        }
        del row["user_id"]
        rows.append(row)
    return rows


def names(model: type[User] | type[Contact], ids: set[int]) -> dict[int, str]:
    query = select(model.id, model.name).where(model.id.in_([id for id in ids if id > 0]))
    return {row[0]: row[1] for row in db.session.execute(query)}


def shown_incident(incident: Incident) -> dict[str, Any]:
    row = incident._asdict() | {"at": moment(incident.at)}
    del row["account_id"]
    return row


def outbox_of(account_id: int) -> dict[str, Any]:
    waiting = outbox.waiting_of(account_id)
    dead = outbox.dead_letters(account_id, DEAD_LETTERS_SHOWN)
    return {
        "waiting": waiting.events,
        "oldest": rfc3339(waiting.oldest) if waiting.oldest is not None else None,
        "set_aside": waiting.set_aside,
        "dead_letters": [dead_letter(row) for row in dead],
    }


def dead_letter(row: OutboxEvent) -> dict[str, Any]:
    assert row.dead_lettered_at is not None
    return {
        "id": row.id,
        "event": row.event,
        "topics": row.topics,
        "created_at": rfc3339(row.created_at),
        "set_aside_at": rfc3339(row.dead_lettered_at),
        "error": row.error or "",
    }


def moment(at: float) -> str:
    return rfc3339(datetime.fromtimestamp(at, UTC))
