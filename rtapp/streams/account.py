from rtapp import access
from rtapp.errors import NotFound
from rtapp.events import audience
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("account")
def authorise(principal: Principal, account_id: int) -> Stream:
    """The conversation list. A member receives the list events of the conversations that they see,
    and the events of their own topic.

    No event is published to two of a member's topics, so the stream carries each event once.
    """
    if isinstance(principal, Customer):
        raise NotFound
    membership = access.membership_in(principal, account_id)
    own = audience.user_topic(principal.id)
    if membership.role == "administrator":
        return Stream(account_id, [audience.account_topic(), own])
    if membership.sees == "assigned":
        return Stream(account_id, [audience.assignee_topic(principal.id), own])
    inboxes = access.inboxes_of(principal, account_id)
    return Stream(account_id, [*(audience.inbox_topic(inbox) for inbox in inboxes), own])


@bp.get("/accounts/<id:account_id>")
def account_stream(account_id: int) -> EventStream:
    return open_stream(("account", account_id))
