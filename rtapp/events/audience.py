"""To which topics each event goes, and which stream a topic is heard on.

The account stream of a user listens to their own topic and to those of exactly one kind: account,
inbox or assignee (see streams/account.py). So a list event goes to one topic of each kind and is
heard once by everyone who sees the conversation, and by nobody else.
"""

from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import User


def of_message(conversation: Conversation) -> list[str]:
    """message.created, .updated, .deleted"""
    return [conversation_topic(conversation.id)]


def of_conversation(conversation: Conversation) -> list[str]:
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


def of_read(conversation: Conversation, reader: User | Contact) -> list[str]:
    """conversation.read: the thread, and the reader's other windows"""
    own = [user_topic(reader.id)] if isinstance(reader, User) else []
    return [conversation_topic(conversation.id), *own]


def of_notification(user_id: int) -> list[str]:
    """notification.created, .read: whom it concerns"""
    return [user_topic(user_id)]


def of_reset(user_id: int) -> list[str]:
    """stream.reset: whoever sees more or less than before, in a way that no event describes"""
    return [user_topic(user_id)]


def of_visitor(conversation: Conversation) -> list[str]:
    """Everything that the contact hears. It has been through visitor_presenters.py."""
    return [visitor_topic(conversation.id)]


def conversation_topic(conversation_id: int) -> str:
    return f"conversation:{conversation_id}"


def visitor_topic(conversation_id: int) -> str:
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


def stream_of(topic: str, account_id: int) -> str:
    """The name of the stream on which a topic's events arrive."""
    kind, _, id = topic.partition(":")
    return f"conversation:{id}" if kind in ("conversation", "visitor") else f"account:{account_id}"
