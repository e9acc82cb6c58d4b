from rtapp import access
from rtapp.events import audience
from rtapp.models import User
from rtapp.realtime import typing
from rtapp.realtime import viewers
from rtapp.realtime.handoff import EventStream

from .base import Stream
from .base import bp
from .base import open_stream
from .base import stream


@stream("conversation")
def authorise(user: User, conversation_id: int) -> Stream:
    """One thread: whoever sees the conversation hears it, and is seen to look at it."""
    place = access.place_of_conversation(user, conversation_id)
    return Stream(
        place.account_id,
        [audience.conversation_topic(conversation_id)],
        (
            viewers.holding(audience.of_viewers(place), conversation_id, user.id, user.name),
            typing.holding(audience.of_typing(conversation_id, private=False), f"user:{user.id}"),
        ),
    )


@bp.get("/conversations/<id:conversation_id>")
def conversation_stream(conversation_id: int) -> EventStream:
    return open_stream(("conversation", conversation_id))
