from rtapp import access
from rtapp.errors import NotFound
from rtapp.events import audience
from rtapp.models import CustomerIdentity
from rtapp.models import Principal
from rtapp.realtime import contact_presence
from rtapp.realtime import inbox_presence
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("contact")
def authorise(principal: Principal, contact_id: int) -> Stream:
    """All that a visitor of a website has in its inbox: what happens in their conversations, new
    ones, and whether a member is there. Of a merged contact, that of the one that has its
    conversations. While it is open, the visitor is present in the newest of them."""
    if not isinstance(principal, CustomerIdentity) or principal.inbox_id is None:
        raise NotFound
    contact = access.own_contact(principal)
    if contact_id not in (principal.id, contact.id):
        raise NotFound
    topics = [audience.contact_topic(contact.id, principal.inbox_id)]
    threads = audience.of_contact_presence(access.newest_threads(principal))
    leases = (contact_presence.lease(threads, contact.id),) if threads else ()
    return Stream(contact.account_id, [*topics, inbox_presence.topic(principal.inbox_id)], leases)


@bp.get("/contacts/<id:contact_id>")
def contact_stream(contact_id: int) -> EventStream:
    return open_stream(("contact", contact_id))
