"""To which topics an event goes, what a topic has, and which stream it is heard on."""

from typing import Protocol

from rtapp.realtime import presence
from rtapp.realtime.group import Kind
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.typing import TYPING
from rtapp.realtime.viewers import VIEWERS

# The kinds of ephemeral state that a topic has, by the first part of its name.
KINDS = {
    "conversation": (TYPING, VIEWERS),
    "visitor": (TYPING,),
    "account": (VIEWERS,),
    "inbox": (VIEWERS,),
    "assignee": (VIEWERS,),
    presence.TOPIC: (PRESENCE,),
}


class ConversationPlace(Protocol):
    """As much of a conversation as says who hears of it."""

    @property
    def id(self) -> int: ...
    @property
    def inbox_id(self) -> int: ...
    @property
    def assignee_id(self) -> int | None: ...


def of_message(conversation: ConversationPlace) -> list[str]:
    return [conversation_topic(conversation.id)]


def of_conversation(conversation: ConversationPlace) -> list[str]:
    topics = [account_topic(), inbox_topic(conversation.inbox_id)]
    if conversation.assignee_id is not None:
        topics.append(assignee_topic(conversation.assignee_id))
    return topics


def conversation_topic(conversation_id: int) -> str:
    return f"conversation:{conversation_id}"


def account_topic() -> str:
    """What administrators hear."""
    return "account"


def inbox_topic(inbox_id: int) -> str:
    """What the inbox's agents hear."""
    return f"inbox:{inbox_id}"


def assignee_topic(user_id: int) -> str:
    """What an agent hears who sees only what is assigned to them."""
    return f"assignee:{user_id}"


def visitor_topic(conversation_id: int) -> str:
    """What the customer hears of their conversation."""
    return f"visitor:{conversation_id}"


def of_typing(conversation_id: int, private: bool) -> tuple[str, ...]:
    """Typing in a private note is for agents alone."""
    topics = (conversation_topic(conversation_id), visitor_topic(conversation_id))
    return topics[:1] if private else topics


def of_viewers(place: ConversationPlace) -> tuple[str, ...]:
    """The thread, and the lists that the conversation is in."""
    return (conversation_topic(place.id), *of_conversation(place))


def kinds_of(topic: str) -> tuple[Kind, ...]:
    """Which kinds of ephemeral state a topic has."""
    return KINDS.get(topic.partition(":")[0], ())


def conversation_of(topic: str) -> int:
    """The conversation of a thread's topic."""
    return int(topic.partition(":")[2])


def stream_of(topic: str, account_id: int) -> str:
    """The name of the stream on which a topic's events arrive."""
    if topic == presence.TOPIC:
        return f"presence:{account_id}"
    if topic.startswith(("conversation:", "visitor:")):
        return f"conversation:{conversation_of(topic)}"
    return f"account:{account_id}"
