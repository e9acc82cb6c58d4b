from rtapp import access
from rtapp.events import audience
from rtapp.models import User
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("account")
def authorise(user: User, account_id: int) -> Stream:
    """The conversation list: members of the account hear of the conversations they see.

    These topics don't overlap, so nothing arrives twice.
    """
    membership = access.membership_in(user, account_id)
    if membership.role == "administrator":
        return Stream(account_id, [audience.account_topic()])
    if membership.sees == "assigned":
        return Stream(account_id, [audience.assignee_topic(user.id)])
    inboxes = access.inboxes_of(user, account_id)
    return Stream(account_id, [audience.inbox_topic(inbox) for inbox in inboxes])


@bp.get("/accounts/<id:account_id>")
def account_stream(account_id: int) -> EventStream:
    return open_stream(("account", account_id))
