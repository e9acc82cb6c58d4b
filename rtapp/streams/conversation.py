from rtapp import access
from rtapp.access import Asker
from rtapp.events import audience
from rtapp.models import Contact
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("conversation")
def authorise(asker: Asker, conversation_id: int) -> Stream:
    """One thread: whoever sees the conversation hears it; its contact, what is public of it."""
    account_id = access.account_of_conversation(asker, conversation_id)
    if isinstance(asker, Contact):
        return Stream(account_id, [audience.visitor_topic(conversation_id)])
    return Stream(account_id, [audience.conversation_topic(conversation_id)])


@bp.get("/conversations/<id:conversation_id>")
def conversation_stream(conversation_id: int) -> EventStream:
    return open_stream(("conversation", conversation_id))
