"""Topics: those of each event, their kinds of ephemeral state, and the stream that carries them.

A user's account stream subscribes to the user's own topic and to topics of exactly one kind:
account, inbox or assignee (see streams/account.py). A list event is published to one topic of each
kind. So each user who sees the conversation receives it once, and no other user does.
"""

from collections.abc import Iterable
from typing import Protocol

from rtapp.models import Agent
from rtapp.models import Conversation
from rtapp.models import Principal
from rtapp.realtime import presence
from rtapp.realtime.contact_presence import CONTACT_PRESENCE
from rtapp.realtime.group import Kind
from rtapp.realtime.inbox_presence import INBOX_PRESENCE
from rtapp.realtime.presence import PRESENCE
from rtapp.realtime.typing import TYPING
from rtapp.realtime.viewers import VIEWERS

# The kinds of ephemeral state that a topic has, by the first part of its name.
KINDS = {
    "conversation": (TYPING, VIEWERS, CONTACT_PRESENCE),
    "visitor": (TYPING,),
    "website": (INBOX_PRESENCE,),
    "account": (VIEWERS,),
    "inbox": (VIEWERS,),
    "assignee": (VIEWERS,),
    presence.TOPIC: (PRESENCE,),
}


# The kinds of topics that an account stream subscribes to.
LISTS = ("account", "inbox", "assignee", "user")


class ConversationAudience(Protocol):
    """The columns of a conversation that decide its topics."""

    @property
    def id(self) -> int: ...
    @property
    def inbox_id(self) -> int: ...
    @property
    def assignee_id(self) -> int | None: ...


class CustomerAudience(ConversationAudience, Protocol):
    """The columns that decide its customer's topics."""

    @property
    def contact_id(self) -> int: ...


def of_message(conversation: ConversationAudience) -> list[str]:
    """message.created, .updated, .deleted"""
    return [conversation_topic(conversation.id)]


def of_conversation(conversation: ConversationAudience) -> list[str]:
    """conversation.created, .updated: the lists that contain it"""
    topics = [account_topic(), inbox_topic(conversation.inbox_id)]
    if conversation.assignee_id is not None:
        topics.append(assignee_topic(conversation.assignee_id))
    return topics


def of_change(conversation: Conversation) -> list[str]:
    """conversation.status_changed, .assignee_changed, .labels_changed, .contact_changed: the
    thread, and the lists as they are now"""
    return [conversation_topic(conversation.id), *of_conversation(conversation)]


def of_removal(user_id: int) -> list[str]:
    """conversation.removed: the user who no longer sees it"""
    return [user_topic(user_id)]


def of_read(conversation: Conversation, reader: Principal) -> list[str]:
    """conversation.read: the thread, and the reader's other windows"""
    own = [user_topic(reader.id)] if isinstance(reader, Agent) else []
    return [conversation_topic(conversation.id), *own]


def of_notification(user_id: int) -> list[str]:
    """notification.created, .read: the notified user"""
    return [user_topic(user_id)]


def of_settings(user_ids: Iterable[int] | None) -> list[str]:
    """settings.changed: administrators, who alone read most settings, or these users"""
    return [account_topic()] if user_ids is None else [user_topic(id) for id in user_ids]


def of_unread(user_id: int) -> str:
    """unread.changed: the user whose counts they are"""
    return user_topic(user_id)


def of_reset(user_id: int) -> list[str]:
    """stream.reset: a user whose visible conversations changed, which no event describes"""
    return [user_topic(user_id)]


def of_lost_thread(conversation: CustomerAudience) -> list[str]:
    """stream.reset: the agents and the customer of a thread in which no event describes a change"""
    return [conversation_topic(conversation.id), *of_customer(conversation)]


def of_customer(conversation: CustomerAudience) -> list[str]:
    """Every event for the customer: the thread, and all that a visitor has in the inbox. Its data
    must come from customer_presenters.py."""
    return [customer_topic(conversation.id), *of_new_for_customer(conversation)]


def of_new_for_customer(conversation: CustomerAudience) -> list[str]:
    """conversation.created, for the customer"""
    return [contact_topic(conversation.contact_id, conversation.inbox_id)]


def of_typing(conversation_id: int, private: bool) -> tuple[str, ...]:
    """typing: the thread, and the customer unless it is a private note"""
    topics = (conversation_topic(conversation_id), customer_topic(conversation_id))
    return topics[:1] if private else topics


def of_viewers(ref: ConversationAudience) -> tuple[str, ...]:
    """conversation.viewers: the thread, and the lists that contain it"""
    return (conversation_topic(ref.id), *of_conversation(ref))


def of_contact_presence(conversation_ids: Iterable[int]) -> tuple[str, ...]:
    """contact.presence: the threads of a visitor, for their agents"""
    return tuple(conversation_topic(id) for id in conversation_ids)


def conversation_topic(conversation_id: int) -> str:
    return f"conversation:{conversation_id}"


def customer_topic(conversation_id: int) -> str:
    """The customer's topic of a conversation. Everything on it is public."""
    return f"visitor:{conversation_id}"


def contact_topic(contact_id: int, inbox_id: int) -> str:
    """The customer's events of all conversations of a contact in an inbox, for the visitor of its
    website. Everything on it is public."""
    return f"contact:{contact_id}:{inbox_id}"


def account_topic() -> str:
    """The list events of the account, for administrators."""
    return "account"


def inbox_topic(inbox_id: int) -> str:
    """The list events of an inbox, for its agents."""
    return f"inbox:{inbox_id}"


def assignee_topic(user_id: int) -> str:
    """The list events of an assignee, for an agent who sees only assigned conversations."""
    return f"assignee:{user_id}"


def user_topic(user_id: int) -> str:
    """The events for one user only."""
    return f"user:{user_id}"


def kinds_of(topic: str) -> tuple[Kind, ...]:
    """The kinds of ephemeral state of a topic."""
    return KINDS.get(topic.partition(":")[0], ())


def conversation_of(topic: str) -> int:
    """The id of the conversation of a `conversation:` or `visitor:` topic."""
    return int(topic.partition(":")[2])


def inbox_of(topic: str) -> int:
    """The id of the inbox of a `website:` topic."""
    return int(topic.partition(":")[2])


def is_of_lists(topic: str) -> bool:
    """Whether account streams carry the topic. Only events of such topics change unread counts."""
    return topic.partition(":")[0] in LISTS


def topic_of_stream(kind: str, id: int) -> str:
    """The topic of a stream that has the same one for all its subscribers: the stream's name."""
    return f"{kind}:{id}"


def stream_of(topic: str, account_id: int) -> str:
    """The name of the stream that carries a topic's events."""
    if topic == presence.TOPIC:
        return f"presence:{account_id}"
    if topic.partition(":")[0] in LISTS:
        return f"account:{account_id}"
    if topic.startswith("visitor:"):
        return f"conversation:{conversation_of(topic)}"
    if topic.startswith("contact:"):
        return topic.rpartition(":")[0]
    return topic
