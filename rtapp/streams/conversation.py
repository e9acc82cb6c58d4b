from rtapp import access
from rtapp.errors import NotFound
from rtapp.events import audience
from rtapp.events import presenters
from rtapp.models import Customer
from rtapp.models import Principal
from rtapp.realtime import typing
from rtapp.realtime import viewers
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import found_together
from .base import open_stream
from .base import stream


@stream("conversation")
def authorise(principal: Principal, conversation_id: int) -> Stream:
    """One thread. An agent who sees the conversation receives its events and becomes a viewer. Its
    customer receives the public events; of a merged one, those of the one that has its messages."""
    ref = found_together(principal, conversation_id)
    if ref is None:
        ref = access.conversation_ref(principal, conversation_id)
    if ref.id != conversation_id and not isinstance(principal, Customer):
        raise NotFound  # it was merged: an agent's page goes to the other one
    types = typing.lease(
        audience.of_typing(ref.id, private=False),
        f"{presenters.kind(principal)}:{principal.id}",
    )
    if isinstance(principal, Customer):
        return Stream(ref.account_id, [audience.customer_topic(ref.id)], (types,))
    views = viewers.lease(audience.of_viewers(ref), conversation_id, principal.id, principal.name)
    return Stream(ref.account_id, [audience.conversation_topic(conversation_id)], (views, types))


@bp.get("/conversations/<id:conversation_id>")
def conversation_stream(conversation_id: int) -> EventStream:
    return open_stream(("conversation", conversation_id))
