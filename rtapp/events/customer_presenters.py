"""How rows look to the contact whom they concern: in the team's shapes, each field allowed by name.

A visitor learns what was said to them and whether the matter is settled. Notes, activity, who is
assigned, and how the team sorts its work stay with the team.
"""

from typing import Any

from rtapp.clock import rfc3339
from rtapp.models import AnyMessage
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Message

from . import presenters

TEAM = {"id": 0, "name": "Support"}  # who changed something: it is not told who of the team


def is_public(row: AnyMessage) -> bool:
    """Whether the contact may know of the message. `access.PUBLIC` is the same for queries."""
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
        "sender": presenters.sender(row.sender),
        "client_id": row.client_id if isinstance(row.sender, Customer) else None,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "version": row.version,
    }


def message_deleted(row: Message) -> dict[str, Any]:
    assert is_public(row)
    return presenters.message_deleted(row)


def conversation(row: Conversation, last: Message | None) -> dict[str, Any]:
    """`last` is the newest public message: what the team did since is not told, nor when."""
    return {
        "id": row.id,
        "account_id": row.account_id,
        "inbox_id": row.inbox_id,
        "status": status(row.status),
        "assignee": None,
        "contact": presenters.person(row.contact),
        "last_message": presenters.last_message(last) if last else None,
        "last_activity_at": rfc3339(last.created_at if last else row.created_at),
        "version": row.version,
    }


def status_changed(row: Conversation, previous: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "status": status(row.status),
        "previous_status": status(previous),
        "snoozed_until": None,
        "changed_by": TEAM,
        "version": row.version,
    }


def status(status: str) -> str:
    """To a customer a matter is resolved or it is not."""
    return "resolved" if status == "resolved" else "open"
