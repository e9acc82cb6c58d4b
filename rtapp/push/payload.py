"""The content of a push notification, which static/js/service_worker.js shows."""

import json
from typing import Any

from rtapp.events import presenters
from rtapp.models import Customer
from rtapp.models import Push
from rtapp.text import closed
from rtapp.text import isolated


def payload(push: Push, user_id: int, unread: int) -> bytes:
    """JSON for the browser of a user who sees the conversation. `unread`: messages in it. At most
    2 000 bytes: push services accept 3 993 (RFC 8291, section 4)."""
    conversation = push.conversation
    path = f"/conversations/{conversation.id}"
    if push.kind == "mention":
        path += f"?message={push.message_id}#message-{push.message_id}"
    content = {
        "title": title(push),
        "body": "" if push.kind == "assignment" else excerpt(push),
        "tag": tag(conversation.id),
        "path": path,
        "unread": unread,
        "user": user_id,
    }
    return json.dumps(content, ensure_ascii=False).encode()


def title(push: Push) -> str:
    """The words of templates/fragments/notification.html."""
    sender, contact = push.message.sender, isolated(push.conversation.contact.name or "Unknown")
    if push.kind == "message":
        return f"{contact} wrote"
    if push.kind == "mention":
        return f"{isolated(sender.name)} mentioned you in {contact}"
    if isinstance(sender, Customer):  # nobody's decision: see auto_assign.py
        return f"A conversation was assigned to you in {contact}"
    return f"{isolated(sender.name)} assigned a conversation to you in {contact}"


def excerpt(push: Push) -> str:
    preview: Any = presenters.last_message(push.message)["preview"]
    return closed(str(preview))


def tag(conversation_id: int) -> str:
    """The id of the conversation's row in the list, which is also the tag of the page's own desktop
    notifications: one takes the place of the other."""
    return f"conversation-{conversation_id}"
