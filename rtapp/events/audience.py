"""To which topics each event goes, what a topic has, and which stream a topic is heard on.

The account stream of a user listens to their own topic and to those of exactly one kind: account,
inbox or assignee (see streams/account.py). So a list event goes to one topic of each kind and is
heard once by everyone who sees the conversation, and by nobody else.
"""

from typing import Protocol

from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Principal
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


# The kinds of topics that an account's stream listens to.
LISTS = ("account", "inbox", "assignee", "user")


class ConversationAudience(Protocol):
    """As much of a conversation as says who hears of it."""

    @property
    def id(self) -> int: ...
    @property
    def inbox_id(self) -> int: ...
    @property
    def assignee_id(self) -> int | None: ...


def of_message(conversation: ConversationAudience) -> list[str]:
    """message.created, .updated, .deleted"""
    return [conversation_topic(conversation.id)]


def of_conversation(conversation: ConversationAudience) -> list[str]:
    """conversation.created, .updated: the lists in which it stands"""
    topics = [account_topic(), inbox_topic(conversation.inbox_id)]
    if conversation.assignee_id is not None:
        topics.append(assignee_topic(conversation.assignee_id))
    return topics


def of_change(conversation: Conversation) -> list[str]:
    """conversation.status_changed, .assignee_changed: the thread, and the lists as they are now"""
    return [conversation_topic(conversation.id), *of_conversation(conversation)]


def of_removal(user_id: int) -> list[str]:
    """conversation.removed: whoever has lost sight of it"""
    return [user_topic(user_id)]


def of_read(conversation: Conversation, reader: Principal) -> list[str]:
    """conversation.read: the thread, and the reader's other windows"""
    own = [user_topic(reader.id)] if isinstance(reader, Agent) else []
    return [conversation_topic(conversation.id), *own]


def of_notification(user_id: int) -> list[str]:
    """notification.created, .read: whom it concerns"""
    return [user_topic(user_id)]


def of_unread(user_id: int) -> str:
    """unread.changed: whose numbers they are"""
    return user_topic(user_id)


def of_reset(user_id: int) -> list[str]:
    """stream.reset: whoever sees more or less than before, in a way that no event describes"""
    return [user_topic(user_id)]


def of_customer(conversation: ConversationAudience) -> list[str]:
    """Everything that the contact hears. It has been through customer_presenters.py."""
    return [customer_topic(conversation.id)]


def of_typing(conversation_id: int, private: bool) -> tuple[str, ...]:
    """typing: the thread, and the contact unless it is a private note"""
    topics = (conversation_topic(conversation_id), customer_topic(conversation_id))
    return topics[:1] if private else topics


def of_viewers(ref: ConversationAudience) -> tuple[str, ...]:
    """conversation.viewers: the thread, and the lists in which it stands"""
    return (conversation_topic(ref.id), *of_conversation(ref))


def conversation_topic(conversation_id: int) -> str:
    return f"conversation:{conversation_id}"


def customer_topic(conversation_id: int) -> str:
    """What the contact of the conversation hears: public things only, and no more of them."""
    return f"visitor:{conversation_id}"


def account_topic() -> str:
    """What administrators hear."""
    return "account"


def inbox_topic(inbox_id: int) -> str:
    """What the inbox's agents hear."""
    return f"inbox:{inbox_id}"


def assignee_topic(user_id: int) -> str:
    """What an agent hears who sees only what is assigned to them."""
    return f"assignee:{user_id}"


def user_topic(user_id: int) -> str:
    """What concerns only this user."""
    return f"user:{user_id}"


def kinds_of(topic: str) -> tuple[Kind, ...]:
    """Which kinds of ephemeral state a topic has."""
    return KINDS.get(topic.partition(":")[0], ())


def conversation_of(topic: str) -> int:
    """The conversation of a thread's topic."""
    return int(topic.partition(":")[2])


def is_of_lists(topic: str) -> bool:
    """Whether it is heard on account streams: what says that numbers may have changed is."""
    return topic.partition(":")[0] in LISTS


def topic_of_stream(kind: str, id: int) -> str:
    """The topic of a stream that has one for everybody who hears it: it has the stream's name."""
    return f"{kind}:{id}"


def stream_of(topic: str, account_id: int) -> str:
    """The name of the stream on which a topic's events arrive."""
    if topic == presence.TOPIC:
        return f"presence:{account_id}"
    if topic.partition(":")[0] in LISTS:
        return f"account:{account_id}"
    if topic.startswith("visitor:"):
        return f"conversation:{conversation_of(topic)}"
    return topic
