"""The database's tables, a file for each noun."""

from .account import Account
from .attachment import Attachment
from .canned_reply import CannedReply
from .contact import Contact
from .contact_merge import ContactMerge
from .conversation import Conversation
from .conversation_merge import ConversationMerge
from .draft import Draft
from .identity import Identity
from .inbox import Inbox
from .inbox import InboxMember
from .invitation import Invitation
from .label import ConversationLabel
from .label import Label
from .link import Link
from .link import State
from .link import digest_of
from .mail import Mail
from .membership import Membership
from .message import Message
from .message_revision import MessageRevision
from .notification import Notification
from .outbox import OutboxClaim
from .outbox import OutboxEvent
from .password_link import PasswordLink
from .principal import Agent
from .principal import AgentIdentity
from .principal import Customer
from .principal import CustomerIdentity
from .principal import Principal
from .push import Push
from .push_subscription import PushSubscription
from .read_marker import ReadMarker
from .recovery_code import RecoveryCode
from .schedule import Schedule
from .second_factor import SecondFactor
from .session import UserSession
from .session import oldest_session
from .snapshots import AnyConversation
from .snapshots import AnyLabel
from .snapshots import AnyMessage
from .snapshots import ConversationSnapshot
from .snapshots import LabelSnapshot
from .snapshots import MessageSnapshot
from .token import Token
from .user import User
from .user import lock_user
from .website import Website
from .website import handle_of

__all__ = [
    "Account",
    "Agent",
    "AgentIdentity",
    "AnyConversation",
    "AnyLabel",
    "AnyMessage",
    "Attachment",
    "CannedReply",
    "Contact",
    "ContactMerge",
    "Conversation",
    "ConversationLabel",
    "ConversationMerge",
    "ConversationSnapshot",
    "Customer",
    "CustomerIdentity",
    "Draft",
    "Identity",
    "Inbox",
    "InboxMember",
    "Invitation",
    "Label",
    "LabelSnapshot",
    "Link",
    "Mail",
    "Membership",
    "Message",
    "MessageRevision",
    "MessageSnapshot",
    "Notification",
    "OutboxClaim",
    "OutboxEvent",
    "PasswordLink",
    "Principal",
    "Push",
    "PushSubscription",
    "ReadMarker",
    "RecoveryCode",
    "Schedule",
    "SecondFactor",
    "State",
    "Token",
    "User",
    "UserSession",
    "Website",
    "digest_of",
    "handle_of",
    "lock_user",
    "oldest_session",
]
