from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .conversation import Conversation
from .message import Message
from .types import Choice
from .types import CreatedAt
from .types import Id


class Notification(Model):
    """A notification of one user: `kind` mention, assignment or message.

    `message` is its cause: the private note with the mention, the activity of the assignment, or
    the customer's message.
    """

    __tablename__ = "notifications"
    __table_args__ = (Index(None, "user_id", "account_id", "id"),)

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    kind: Mapped[Choice]
    read: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[CreatedAt]

    conversation: Mapped[Conversation] = relationship()
    message: Mapped[Message] = relationship()
