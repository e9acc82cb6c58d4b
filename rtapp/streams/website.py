from rtapp import access
from rtapp.errors import NotFound
from rtapp.models import CustomerIdentity
from rtapp.models import Principal
from rtapp.realtime import inbox_presence
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("website")
def authorise(principal: Principal, inbox_id: int) -> Stream:
    """Whether a member of the inbox is there, for the visitors of its website. Their `contact`
    stream carries the same events."""
    if not isinstance(principal, CustomerIdentity) or principal.inbox_id != inbox_id:
        raise NotFound
    contact = access.own_contact(principal)
    return Stream(contact.account_id, [inbox_presence.topic(inbox_id)])


@bp.get("/websites/<id:inbox_id>")
def website_stream(inbox_id: int) -> EventStream:
    return open_stream(("website", inbox_id))
