"""What is said of a change, to the team and to the contact: each function writes outbox rows.

To be called in the change's own transaction, after the rows are as they will be. The contact gets
events of their own, made by customer_presenters.py; nothing of the team's goes to their topic.
"""

from collections.abc import Sequence

from rtapp.models import Agent
from rtapp.models import AnyConversation
from rtapp.models import AnyMessage
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import Principal
from rtapp.models import User

from . import audience
from . import customer_presenters
from . import outbox
from . import presenters


def message_created(conversation: AnyConversation, message: AnyMessage) -> None:
    _message("message.created", conversation, message)


def message_updated(conversation: Conversation, message: Message) -> None:
    _message("message.updated", conversation, message)


def message_deleted(conversation: Conversation, message: Message) -> None:
    event, account_id = "message.deleted", conversation.account_id
    topics, data = audience.of_message(conversation), presenters.message_deleted(message)
    outbox.record(event, account_id, topics, data)
    if customer_presenters.is_public(message):
        data = customer_presenters.message_deleted(message)
        outbox.record(event, account_id, audience.of_customer(conversation), data)


def _message(event: str, conversation: AnyConversation, message: AnyMessage) -> None:
    account_id = conversation.account_id
    topics, data = audience.of_message(conversation), presenters.message(message)
    outbox.record(event, account_id, topics, data)
    if customer_presenters.is_public(message):
        data = customer_presenters.message(message)
        outbox.record(event, account_id, audience.of_customer(conversation), data)


def conversation_created(conversation: Conversation) -> None:
    topics, data = audience.of_conversation(conversation), presenters.conversation(conversation)
    outbox.record("conversation.created", conversation.account_id, topics, data)


def conversation_updated(conversation: AnyConversation) -> None:
    topics, data = audience.of_conversation(conversation), presenters.conversation(conversation)
    outbox.record("conversation.updated", conversation.account_id, topics, data)


def status_changed(conversation: Conversation, previous: str, by: Principal) -> None:
    event, account_id = "conversation.status_changed", conversation.account_id
    topics = audience.of_change(conversation)
    outbox.record(event, account_id, topics, presenters.status_changed(conversation, previous, by))
    told = customer_presenters.status_changed(conversation, previous)
    if told["status"] != told["previous_status"]:
        outbox.record(event, account_id, audience.of_customer(conversation), told)


def assignee_changed(conversation: Conversation, previous: User | None, by: Agent) -> None:
    topics = audience.of_change(conversation)
    data = presenters.assignee_changed(conversation, previous, by)
    outbox.record("conversation.assignee_changed", conversation.account_id, topics, data)


def conversation_removed(conversation_id: int, account_id: int, user_id: int) -> None:
    data = presenters.conversation_removed(conversation_id, account_id)
    outbox.record("conversation.removed", account_id, audience.of_removal(user_id), data)


def conversation_read(conversation: Conversation, by: Principal, message_id: int) -> None:
    topics = audience.of_read(conversation, by)
    data = presenters.conversation_read(conversation, by, message_id)
    outbox.record("conversation.read", conversation.account_id, topics, data)


def notification_created(row: Notification) -> None:
    topics, data = audience.of_notification(row.user_id), presenters.notification(row)
    outbox.record("notification.created", row.account_id, topics, data)


def notifications_read(user_id: int, account_id: int, ids: Sequence[int]) -> None:
    data = {"account_id": account_id, "ids": list(ids)}
    outbox.record("notification.read", account_id, audience.of_notification(user_id), data)


def state_lost(user_id: int, account_id: int) -> None:
    """Has the user's clients fetch anew, those too that are away and will resume."""
    topics = audience.of_reset(user_id)
    outbox.record("stream.reset", account_id, topics, {"reason": "history_lost"})
