import re
from collections.abc import Sequence

from rtapp import access
from rtapp.events import announce
from rtapp.extensions import db
from rtapp.models import AnyConversation
from rtapp.models import AnyMessage
from rtapp.models import Conversation
from rtapp.models import Message
from rtapp.models import Notification
from rtapp.models import User

from .enqueue_push import push_to_user


def notify(user_id: int, kind: str, conversation: AnyConversation, message: AnyMessage) -> None:
    """Create a notification (`kind` mention, assignment or message) for a user who sees the
    conversation. Part of the caller's transaction."""
    notification = Notification(
        account_id=conversation.account_id,
        user_id=user_id,
        conversation_id=conversation.id,
        message_id=message.id,
        kind=kind,
    )
    db.session.add(notification)
    db.session.flush()
    announce.notification_created(notification)
    if kind != "message":  # which push_to_concerned announces
        push_to_user(user_id, kind, conversation.id, message.id)


def notify_mentioned(conversation: AnyConversation, note: AnyMessage) -> None:
    """Notify the users whom a private note mentions, if they see the conversation."""
    if "@" in note.content:
        for user in mentioned(note.content, access.users_who_see(conversation)):
            if user.id != note.sender.id:
                notify(user.id, "mention", conversation, note)


def notify_assignee(conversation: Conversation, message: Message) -> None:
    """Notify the assignee of a customer's message, if they still see the conversation."""
    assignee_id = conversation.assignee_id
    if assignee_id is not None and access.sees_conversation(assignee_id, conversation.id):
        notify(assignee_id, "message", conversation, message)


def mentioned(content: str, people: Sequence[User]) -> list[User]:
    """The users among `people` whose full or first name follows an @, each once, in their order.

    The longest name wins: "@Ada Lovelace" does not mention another Ada. Case is ignored. An @
    inside a word (`me@ada.example`) is no mention.
    """
    named: dict[str, set[int]] = {}
    for user in people:
        for name in {user.name.strip(), user.name.strip().partition(" ")[0]} - {""}:
            named.setdefault(name.casefold(), set()).add(user.id)
    longest_first = sorted(named, key=len, reverse=True)
    pattern = rf"(?<!\w)@({'|'.join(map(re.escape, longest_first))})(?!\w)"
    found = re.findall(pattern, content.casefold()) if named else []
    ids = set().union(*(named[name] for name in found))
    return [user for user in people if user.id in ids]
