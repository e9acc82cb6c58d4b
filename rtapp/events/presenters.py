"""How rows look to clients: the `data` of events and the body of answers, one and the same."""

from typing import Any

from sqlalchemy.orm import joinedload

from rtapp.clock import rfc3339
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import User

PREVIEW = 120  # characters of a message shown in a list

# What `conversation` touches, for one query to load and not one for each row.
PRESENTED = (
    joinedload(Conversation.contact),
    joinedload(Conversation.assignee),
    joinedload(Conversation.last_message).joinedload(Message.user),
    joinedload(Conversation.last_message).joinedload(Message.contact),
)


def message(row: Message) -> dict[str, Any]:
    return {
        "id": row.id,
        "conversation_id": row.conversation_id,
        "account_id": row.account_id,
        "message_type": row.message_type,
        "private": row.private,
        "content": row.content,
        "sender": {
            "type": "user" if row.user_id is not None else "contact",
            "id": row.sender.id,
            "name": row.sender.name,
        },
        "client_id": row.client_id,
        "created_at": rfc3339(row.created_at),
        "updated_at": rfc3339(row.updated_at),
        "version": row.version,
    }


def conversation(row: Conversation) -> dict[str, Any]:
    return {
        "id": row.id,
        "account_id": row.account_id,
        "inbox_id": row.inbox_id,
        "status": row.status,
        "assignee": person(row.assignee) if row.assignee else None,
        "contact": {"id": row.contact.id, "name": row.contact.name},
        "last_message": last_message(row.last_message) if row.last_message else None,
        "last_activity_at": rfc3339(row.last_activity_at),
        "version": row.version,
    }


def last_message(row: Message) -> dict[str, Any]:
    return {
        "id": row.id,
        "preview": " ".join(row.content.split())[:PREVIEW],
        "sender_name": row.sender.name,
        "created_at": rfc3339(row.created_at),
    }


def person(row: User) -> dict[str, Any]:
    return {"id": row.id, "name": row.name}


def me(row: User) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.name,
        "email": row.email,
        "memberships": [
            {"account_id": m.account_id, "role": m.role, "sees": m.sees, "status": m.status}
            for m in row.memberships
        ],
    }
