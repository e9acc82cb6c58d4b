"""To which topics an event goes, and which stream a topic is heard on.

A user's account stream is made of topics that don't overlap, so that nothing arrives twice: an
administrator listens to the account, an agent to their inboxes or to what is assigned to them.
"""

from rtapp import access
from rtapp.models import Conversation
from rtapp.models import Membership
from rtapp.models import User


def of_message(conversation: Conversation) -> list[str]:
    return [f"conversation:{conversation.id}"]


def of_conversation(conversation: Conversation) -> list[str]:
    topics = ["account", f"inbox:{conversation.inbox_id}"]
    if conversation.assignee_id is not None:
        topics.append(f"assignee:{conversation.assignee_id}")
    return topics


def topics_of_account_stream(user: User, membership: Membership) -> list[str]:
    if membership.role == "administrator":
        return ["account"]
    if membership.sees == "assigned":
        return [f"assignee:{user.id}"]
    return [f"inbox:{inbox}" for inbox in access.inboxes_of(user, membership.account_id)]


def topics_of_conversation_stream(conversation_id: int) -> list[str]:
    return [f"conversation:{conversation_id}"]


def stream_of(topic: str, account_id: int) -> str:
    """The name of the stream on which a topic's events arrive."""
    return topic if topic.startswith("conversation:") else f"account:{account_id}"
