"""What is stored: one noun, one file."""

from .account import Account
from .asker import Asker
from .asker import Colleague
from .asker import Guest
from .asker import Team
from .asker import Visitor
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
from .written import AnyConversation
from .written import AnyMessage
from .written import WrittenConversation
from .written import WrittenMessage

__all__ = [
    "Account",
    "AnyConversation",
    "AnyMessage",
    "Asker",
    "Colleague",
    "Contact",
    "Conversation",
    "Guest",
    "Inbox",
    "InboxMember",
    "Membership",
    "Message",
    "Notification",
    "OutboxEvent",
    "ReadMarker",
    "Team",
    "User",
    "UserSession",
    "Visitor",
    "WrittenConversation",
    "WrittenMessage",
]
