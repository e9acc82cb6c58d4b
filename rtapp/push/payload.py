"""The content of a push notification, which static/js/service_worker.js shows."""

import json
from typing import Any

from rtapp.events import presenters
from rtapp.models import Conversation
from rtapp.models import Customer
from rtapp.models import Message
from rtapp.text import closed
from rtapp.text import isolated


def payload(
    kind: str, conversation: Conversation, message: Message, user_id: int, unread: int
) -> bytes:
    """JSON for the browser of a user who sees the conversation. `unread`: messages in it. At most
    3 500 bytes: push services accept 3 993 (RFC 8291, section 4)."""
    path = f"/conversations/{conversation.id}"
    if kind == "mention":
        path += f"?message={message.id}#message-{message.id}"
    content = {
        "title": title(kind, conversation, message),
        "body": "" if kind == "assignment" else excerpt(message),
        "tag": tag(conversation.id),
        "path": path,
        "unread": unread,
        "user": user_id,
    }
    return json.dumps(content, ensure_ascii=False).encode()


def title(kind: str, conversation: Conversation, message: Message) -> str:
    """The words of templates/fragments/notification.html."""
    sender, contact = message.sender, isolated(conversation.contact.name or "Unknown")
    if kind == "message":
        return f"{contact} wrote"
    if kind == "mention":
        return f"{isolated(sender.name)} mentioned you in {contact}"
    if isinstance(sender, Customer):  # nobody's decision: see auto_assign.py
        return f"A conversation was assigned to you in {contact}"
    return f"{isolated(sender.name)} assigned a conversation to you in {contact}"


def excerpt(message: Message) -> str:
    preview: Any = presenters.last_message(message)["preview"]
    return closed(str(preview))


def tag(conversation_id: int) -> str:
    """The id of the conversation's row in the list, which is also the tag of the page's own desktop
    notifications: one takes the place of the other."""
    return f"conversation-{conversation_id}"
