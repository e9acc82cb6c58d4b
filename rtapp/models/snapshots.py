"""Snapshots of a new message and its conversation, with the columns that presenters read.

Not mapped, because reading both back as objects costs as much as writing them.
"""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from .conversation import Conversation
from .label import Label
from .message import Message
from .principal import Agent
from .principal import Customer


@dataclass(frozen=True, slots=True)
class MessageSnapshot:
    id: int
    account_id: int
    conversation_id: int
    message_type: str
    private: bool
    content: str
    sender: Agent
    client_id: str | None
    created_at: datetime
    updated_at: datetime
    version: int
    attachments: Sequence[Mapping[str, Any]] | None = None
    edited_at: None = None
    edited_by: None = None


@dataclass(frozen=True, slots=True)
class LabelSnapshot:
    id: int
    title: str
    colour: int


@dataclass(frozen=True, slots=True)
class ConversationSnapshot:
    id: int
    account_id: int
    inbox_id: int
    assignee_id: int | None
    status: str
    snoozed_until: datetime | None
    assignee: Agent | None
    contact: Customer
    last_message: MessageSnapshot
    last_activity_at: datetime
    last_public_at: datetime
    waiting_since: datetime | None
    version: int
    labels: Sequence[LabelSnapshot]

    @property
    def contact_id(self) -> int:
        return self.contact.id


AnyMessage = Message | MessageSnapshot
AnyConversation = Conversation | ConversationSnapshot
AnyLabel = Label | LabelSnapshot
