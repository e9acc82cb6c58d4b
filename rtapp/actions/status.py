from datetime import datetime
from datetime import timedelta
from typing import Annotated

from werkzeug.wrappers import Response

from rtapp import auth
from rtapp import clock
from rtapp import validation
from rtapp.errors import Unprocessable
from rtapp.events import presenters
from rtapp.models.conversation import Status
from rtapp.services.change_status import change_status
from rtapp.validation import Body
from rtapp.validation import KnownVersion
from rtapp.validation import OrNone
from rtapp.validation import Time

from .base import answer
from .base import bp
from .base import changeable
from .base import thread_page

MAX_SNOOZE = timedelta(days=366)  # so that a mistyped year is rejected


class NewStatus(Body):
    status: Status
    snoozed_until: Annotated[Time | None, OrNone] = None
    version: KnownVersion = None


@bp.post("/conversations/<id:conversation_id>/status")
def set_status(conversation_id: int) -> Response:
    user = auth.signed_in()
    conversation = changeable(user, conversation_id)
    new = validation.body(NewStatus)
    refuse_wrong_time(new.status, new.snoozed_until)
    change_status(
        user, conversation, new.status, snoozed_until=new.snoozed_until, version=new.version
    )
    return answer(presenters.conversation(conversation), 200, thread_page(conversation_id))


def refuse_wrong_time(status: str | None, snoozed_until: datetime | None) -> None:
    if snoozed_until is None:
        return
    if status != "snoozed":
        wrong = "goes with the status snoozed only"
    elif not clock.now() < snoozed_until <= clock.now() + MAX_SNOOZE:
        wrong = f"must be in the future, at most {MAX_SNOOZE.days} days from now"
    else:
        return
    raise Unprocessable(
        f"The body can't be used: snoozed_until {wrong}.", errors={"snoozed_until": [wrong]}
    )
