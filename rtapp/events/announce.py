"""Durable events: a table of the audience and presenters of each, and functions that record them.

Call the functions in the transaction of the change, once the rows have their final values: each
writes outbox rows. Customers receive an event of their own on a topic of their own, made by the
row's customer presenter. An event without one never goes to a customer.
"""

from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from sqlalchemy import select

from rtapp.extensions import db
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


class Row(NamedTuple):
    """`audience` gives the agents' topics, `presenter` their data, `customer_presenter` the
    customer's data, or None if the customer must not receive it; `customer_audience` the customer's
    topics, or None for those of audience.of_customer."""

    audience: Callable[..., list[str]]
    presenter: Callable[..., dict[str, Any]]
    customer_presenter: Callable[..., dict[str, Any] | None] | None = None
    customer_audience: Callable[..., list[str]] | None = None


TABLE: Mapping[str, Row] = {
    "message.created": Row(
        audience.of_message, presenters.message, customer_presenters.message_event
    ),
    "message.updated": Row(
        audience.of_message, presenters.message, customer_presenters.message_event
    ),
    "message.deleted": Row(
        audience.of_message, presenters.message_deleted, customer_presenters.message_deleted
    ),
    "conversation.created": Row(
        audience.of_conversation,
        presenters.conversation,
        customer_presenters.conversation_created,
        audience.of_new_for_customer,
    ),
    "conversation.updated": Row(audience.of_conversation, presenters.conversation),
    "conversation.status_changed": Row(
        audience.of_change, presenters.status_changed, customer_presenters.status_changed
    ),
    "conversation.assignee_changed": Row(audience.of_change, presenters.assignee_changed),
    "conversation.labels_changed": Row(audience.of_change, presenters.labels_changed),
    "conversation.contact_changed": Row(
        audience.of_change, presenters.contact_changed, customer_presenters.contact_changed
    ),
    "conversation.removed": Row(audience.of_removal, presenters.conversation_removed),
    "conversation.read": Row(audience.of_read, presenters.conversation_read),
    "notification.created": Row(audience.of_notification, presenters.notification),
    "notification.read": Row(audience.of_notification, presenters.notifications_read),
    "settings.changed": Row(audience.of_settings, presenters.settings_changed),
}


THREADS = select(
    Conversation.id, Conversation.inbox_id, Conversation.assignee_id, Conversation.contact_id
).order_by(Conversation.id)


def _record(event: str, to: tuple[Any, ...], *facts: Any) -> None:
    """Record an event for the agents, and for the customer if its row has a presenter for them.

    `to` are the arguments of the row's audience, `facts` those of its presenters. The first of `to`
    is the conversation in each row with a customer presenter.
    """
    row = TABLE[event]
    data = row.presenter(*facts)
    outbox.record(event, data["account_id"], row.audience(*to), data)
    if row.customer_presenter is not None:
        public = row.customer_presenter(*facts)
        if public is not None:
            topics = (row.customer_audience or audience.of_customer)(to[0])
            outbox.record(event, public["account_id"], topics, public)


def message_created(conversation: AnyConversation, message: AnyMessage) -> None:
    _record("message.created", (conversation,), message)


def message_updated(conversation: Conversation, message: Message) -> None:
    _record("message.updated", (conversation,), message)


def message_deleted(conversation: Conversation, message: Message) -> None:
    _record("message.deleted", (conversation,), message)


def conversation_created(conversation: Conversation) -> None:
    _record("conversation.created", (conversation,), conversation)


def conversation_updated(conversation: AnyConversation) -> None:
    _record("conversation.updated", (conversation,), conversation)


def status_changed(conversation: Conversation, previous: str, by: Principal) -> None:
    _record("conversation.status_changed", (conversation,), conversation, previous, by)


def assignee_changed(conversation: Conversation, previous: User | None, by: Principal) -> None:
    _record("conversation.assignee_changed", (conversation,), conversation, previous, by)


def labels_changed(conversation: Conversation, by: Agent) -> None:
    _record("conversation.labels_changed", (conversation,), conversation, by)


def contact_changed(conversation: Conversation, by: Principal) -> None:
    _record("conversation.contact_changed", (conversation,), conversation, by)


def page_changed(conversation: Conversation, by: Principal) -> None:
    """conversation.contact_changed, for the agents: the customer writes from another page."""
    data = presenters.contact_changed(conversation, by)
    outbox.record(
        "conversation.contact_changed", data["account_id"], audience.of_change(conversation), data
    )


def conversation_removed(conversation_id: int, account_id: int, user_id: int) -> None:
    _record("conversation.removed", (user_id,), conversation_id, account_id)


def conversation_merged(conversation: Conversation) -> None:
    """conversation.removed, in every list that has it."""
    data = presenters.conversation_removed(conversation.id, conversation.account_id)
    topics = audience.of_conversation(conversation)
    outbox.record("conversation.removed", conversation.account_id, topics, data)


def conversation_read(conversation: Conversation, by: Principal, message_id: int) -> None:
    _record("conversation.read", (conversation, by), conversation, by, message_id)


def notification_created(row: Notification) -> None:
    _record("notification.created", (row.user_id,), row)


def notifications_read(user_id: int, account_id: int, ids: Sequence[int]) -> None:
    _record("notification.read", (user_id,), account_id, ids)


def settings_changed(account_id: int, part: str, user_ids: Iterable[int] | None = None) -> None:
    """To administrators, `part`: members, inboxes, invitations or password_links; or to these
    users: canned_replies, or of their own sessions, tokens or second_factor. What resets all
    members' streams needs no event beside that."""
    _record("settings.changed", (user_ids,), account_id, part)


def state_lost(user_id: int, account_id: int) -> None:
    """Have the user's clients fetch the state again, including those that resume later."""
    topics = audience.of_reset(user_id)
    outbox.record("stream.reset", account_id, topics, {"reason": "history_lost"})


def account_state_lost(user_ids: Iterable[int], account_id: int) -> None:
    """The same for several users of an account."""
    topics = [topic for user_id in user_ids for topic in audience.of_reset(user_id)]
    outbox.record("stream.reset", account_id, topics, {"reason": "history_lost"})


def threads_lost(conversation_ids: Collection[int], account_id: int) -> None:
    """Have the clients of these threads, customers too, fetch them again."""
    threads = db.session.execute(THREADS.where(Conversation.id.in_(conversation_ids)))
    topics = [topic for thread in threads for topic in audience.of_lost_thread(thread)]
    outbox.record(
        "stream.reset", account_id, list(dict.fromkeys(topics)), {"reason": "history_lost"}
    )


def visits_lost(contact_ids: Iterable[int], inbox_ids: Collection[int], account_id: int) -> None:
    """Have the visitors who are these contacts fetch their conversations in these inboxes again."""
    topics = [audience.contact_topic(id, inbox) for id in contact_ids for inbox in inbox_ids]
    if topics:
        outbox.record("stream.reset", account_id, topics, {"reason": "history_lost"})
