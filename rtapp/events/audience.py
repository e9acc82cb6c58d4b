"""To which topics an event goes, and which stream a topic is heard on."""

from rtapp.models import Conversation


def of_message(conversation: Conversation) -> list[str]:
    return [conversation_topic(conversation.id)]


def of_conversation(conversation: Conversation) -> list[str]:
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


def stream_of(topic: str, account_id: int) -> str:
    """The name of the stream on which a topic's events arrive."""
    return topic if topic.startswith("conversation:") else f"account:{account_id}"
