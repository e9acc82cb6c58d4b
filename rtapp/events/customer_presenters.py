"""The customer's form of rows and events: the shapes of presenters.py, each field listed by name.

A customer receives public messages, and whether the conversation is resolved. Private notes,
activity, labels, the assignee and the other statuses are for agents only. The presenters of events
return None for an event that the customer must not receive.
"""

from typing import Any

from rtapp.clock import rfc3339
from rtapp.models import AnyMessage
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Message
from rtapp.models import Principal

from . import presenters

# Of a contact, for itself: an answer to what it writes has it that it is blocked, and no event.
PRIVATE_FIELDS = {
    "email": None,
    "phone": None,
    "blocked": False,
    "verified": False,
    "given_email": None,
    "page_url": None,
}
TEAM = {"id": 0, "name": "Support"}  # `changed_by`, in place of the agent


def is_public(row: AnyMessage) -> bool:
    """Whether the customer sees the message. `access.PUBLIC` is the same condition for queries."""
    return not row.private and row.message_type != "activity"


def message(row: AnyMessage) -> dict[str, Any]:
    assert is_public(row)
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "account_id": row.account_id,
        "message_type": row.message_type,
        "private": False,
        "content": row.content,
        "attachments": presenters.attachments(row),
        "sender": presenters.sender(row.sender),
        "client_id": row.client_id if isinstance(row.sender, Customer) else None,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "edited_at": rfc3339(row.edited_at) if row.edited_at else None,
        "edited_by": None,
        "version": row.version,
    }


def message_event(row: AnyMessage) -> dict[str, Any] | None:
    """message.created, .updated"""
    return message(row) if is_public(row) else None


def message_deleted(row: Message) -> dict[str, Any] | None:
    return presenters.message_deleted(row) if is_public(row) else None


def conversation(row: Conversation, last: Message | None) -> dict[str, Any]:
    """`last` is the newest public message. Later activity must not show, nor its time."""
    last_at = rfc3339(last.created_at if last else row.created_at)
    return {
        "id": row.id,
        "account_id": row.account_id,
        "inbox_id": row.inbox_id,
        "status": status(row.status),
        "snoozed_until": None,
        "assignee": None,
        "contact": presenters.person(row.contact),
        "labels": [],
        "last_message": presenters.last_message(last) if last else None,
        "last_activity_at": last_at,
        "last_public_at": last_at,
        "waiting_since": None,
        "version": row.version,
    }


def conversation_created(row: Conversation) -> dict[str, Any]:
    """Its first message is public, or the customer's own."""
    assert row.last_message is not None
    return conversation(row, row.last_message)


def own_conversation(row: Conversation, last: Message | None, unread: int) -> dict[str, Any]:
    """Of answers only: no event has the number of `unread` messages."""
    return {**conversation(row, last), "unread": unread}


def visitor(row: Customer, *, verified: bool) -> dict[str, Any]:
    """Of answers to the visitor only, as is `contact`. `verified`: the website has proved who they
    are."""
    return {**presenters.person(row), "verified": verified}


def contact(row: Contact, own: Contact, *, verified: bool) -> dict[str, Any]:
    """`row` is the contact that has the visitor's conversations, `own` the one of their token. The
    address is the one that they gave or that is proved: of a contact into which an agent has merged
    theirs, it may be somebody else's."""
    email = own.email if verified else None
    return {**visitor(row, verified=verified), "email": email or own.given_email}


def status_changed(row: Conversation, previous: str, by: Principal) -> dict[str, Any] | None:
    """None if the status is the same to a customer. `by` stays private."""
    if status(row.status) == status(previous):
        return None
    return {
        "id": row.id,
        "account_id": row.account_id,
        "status": status(row.status),
        "previous_status": status(previous),
        "snoozed_until": None,
        "changed_by": TEAM,
        "version": row.version,
    }


def contact_changed(row: Conversation, by: Principal) -> dict[str, Any]:
    """The name is on the customer's messages. `by` stays private."""
    return {
        "id": row.id,
        "account_id": row.account_id,
        "contact": {**presenters.person(row.contact), **PRIVATE_FIELDS},
        "changed_by": TEAM,
        "version": row.version,
    }


def status(status: str) -> str:
    """A customer's conversation is either open or resolved."""
    return "resolved" if status == "resolved" else "open"
