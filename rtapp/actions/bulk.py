"""One change of many conversations, each by itself: one that is refused stops no other."""

from collections.abc import Callable
from typing import Annotated
from typing import Any
from typing import NoReturn

from flask import url_for
from pydantic import Field
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response

from rtapp import access
from rtapp import auth
from rtapp import clock
from rtapp import database
from rtapp import validation
from rtapp.config import FIELD_LIMIT
from rtapp.errors import Conflict
from rtapp.errors import Forbidden
from rtapp.errors import NotFound
from rtapp.errors import Problem
from rtapp.errors import Unprocessable
from rtapp.errors import wants_html
from rtapp.extensions import db
from rtapp.models import Conversation
from rtapp.models import User
from rtapp.models.conversation import Status
from rtapp.services.assign import assign
from rtapp.services.change_status import change_status
from rtapp.services.label_conversation import add_label
from rtapp.services.label_conversation import remove_label
from rtapp.validation import Body
from rtapp.validation import KnownVersion
from rtapp.validation import OrNone
from rtapp.validation import RowId
from rtapp.validation import Time

from .base import answer
from .base import bp
from .base import changeable
from .status import refuse_wrong_time

Change = Callable[[User, Conversation, int | None], None]
CHANGES = ("status", "assignee_id", "add", "remove")
Id = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}$")]


class BulkChange(Body):
    """`conversations`: by id, the version that the client shows, or None. One change of all."""

    conversations: Annotated[dict[Id, KnownVersion], Field(min_length=1, max_length=FIELD_LIMIT)]
    status: Status | None = None
    snoozed_until: Annotated[Time | None, OrNone] = None
    assignee_id: Annotated[RowId | None, OrNone] = None
    add: RowId | None = None
    remove: RowId | None = None


@bp.post("/accounts/<id:account_id>/bulk")
def change_many(account_id: int) -> Response:
    """Change up to FIELD_LIMIT conversations, in the order of their ids.

    A conversation that was changed is committed before the next one. The answer has those that were
    `changed`, with their state before, and those that were `refused`, each with the problem: also
    if the database goes away after some of them.
    """
    user = auth.signed_in()
    access.membership_in(user, account_id)
    wanted = validation.body(BulkChange)
    change = change_of(wanted)
    changed: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    rows = sorted((int(id), version) for id, version in wanted.conversations.items())
    for n, (id, version) in enumerate(rows):
        try:
            conversation = changeable(user, id)
            if conversation.account_id != account_id:
                raise NotFound
            before = state_of(conversation)
            change(user, conversation, version)
        except (Conflict, Forbidden, NotFound, Unprocessable) as problem:
            db.session.rollback()
            refused.append(refusal(id, problem))
        except SQLAlchemyError as error:
            away = database.problem(error)
            if away is None or not changed:
                raise
            db.session.rollback()
            database.log(error, away.sentence)
            refused += [refusal(left, away) for left, _ in rows[n:]]
            break
        else:
            changed.append({"id": id, "version": conversation.version, "before": before})
    if refused and wants_html():
        raise Conflict(sentence(len(changed), refused), current={})
    page = url_for("conversation.several", account_id=account_id)
    return answer({"changed": changed, "refused": refused}, 200, page)


def change_of(wanted: BulkChange) -> Change:
    """Raises Unprocessable unless there is exactly one change, and the time is one of a snooze."""
    given = [name for name in CHANGES if name in wanted.model_fields_set]
    if len(given) != 1:
        wrong = f"can't come with {given[0]}" if given else "is missing, as the other changes are"
        refuse(given[1] if given else CHANGES[0], wrong)
    refuse_wrong_time(wanted.status, wanted.snoozed_until)
    [name] = given
    value = getattr(wanted, name)
    if name == "assignee_id":
        return lambda user, row, version: assign(user, row, value, version=version)
    if value is None:
        refuse(name, "must not be null")
    if name == "status":
        until = wanted.snoozed_until
        return lambda user, row, version: change_status(
            user, row, value, snoozed_until=until, version=version
        )
    change_label = {"add": add_label, "remove": remove_label}[name]
    return lambda user, row, version: change_label(user, row, value, version=version)


def refuse(field: str, wrong: str) -> NoReturn:
    raise Unprocessable(f"The body can't be used: {field} {wrong}.", errors={field: [wrong]})


def state_of(conversation: Conversation) -> dict[str, Any]:
    """What a change can be undone by."""
    until = conversation.snoozed_until
    return {
        "status": conversation.status,
        "snoozed_until": clock.rfc3339(until) if until is not None else None,
        "assignee_id": conversation.assignee_id,
        "labels": [label.id for label in conversation.labels],
    }


def refusal(id: int, problem: Problem) -> dict[str, Any]:
    return {"id": id, "status": problem.status.value, "detail": problem.detail}


def sentence(changed: int, refused: list[dict[str, Any]]) -> str:
    """For a page without JavaScript."""
    reasons = " ".join(dict.fromkeys(str(each["detail"]) for each in refused))
    return f"{changed} changed, {len(refused)} not: {reasons}"
