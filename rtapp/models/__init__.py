"""What is stored: one noun, one file."""

from .account import Account
from .contact import Contact
from .conversation import Conversation
from .inbox import Inbox
from .inbox import InboxMember
from .membership import Membership
from .message import Message
from .notification import Notification
from .outbox import OutboxEvent
from .read_marker import ReadMarker
from .session import UserSession
from .user import User

__all__ = [
    "Account",
    "Contact",
    "Conversation",
    "Inbox",
    "InboxMember",
    "Membership",
    "Message",
    "Notification",
    "OutboxEvent",
    "ReadMarker",
    "User",
    "UserSession",
]
