from rtapp import access
from rtapp.errors import NotFound
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.realtime import inbox_presence
from rtapp.realtime import presence
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("presence")
def authorise(principal: Principal, account_id: int) -> Stream:
    """The presence of an account's members. A member is present while a stream is open; one who is
    `online`, for the visitors of their inboxes' websites too."""
    if isinstance(principal, Customer):
        raise NotFound
    membership = access.membership_in(principal, account_id)
    leases = [presence.lease(principal.id, membership.status)]
    if membership.status == "online":
        inboxes = access.websites_of(principal, account_id)
        leases += [inbox_presence.lease(inbox_id, principal.id) for inbox_id in inboxes]
    return Stream(account_id, [presence.TOPIC], tuple(leases))


@bp.get("/accounts/<id:account_id>/presence")
def presence_stream(account_id: int) -> EventStream:
    return open_stream(("presence", account_id))
