from sqlalchemy import BigInteger
from sqlalchemy import ForeignKey
from sqlalchemy import Integer
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .message import Message
from .types import Choice
from .types import CreatedAt
from .types import Moment


class Push(Model):
    """A push notification that is not yet sent: of a message, to one subscription.

    `conversation_id`: the conversation that had the message then; a merge moves messages.

    `kind` as a Notification's. `due_at`: when it may be sent; a process that sends it puts this off
    first, so that no other process does. Ids are never reused.
    """

    __tablename__ = "pushes"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012 (SQLAlchemy's own attribute)

    id: Mapped[int] = mapped_column(BigInteger().with_variant(Integer, "sqlite"), primary_key=True)
    session_id: Mapped[str] = mapped_column(
        ForeignKey("push_subscriptions.session_id", ondelete="CASCADE"), index=True
    )
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"))
    kind: Mapped[Choice]
    created_at: Mapped[CreatedAt]
    due_at: Mapped[Moment] = mapped_column(index=True)
    attempts: Mapped[int] = mapped_column(default=0)

    message: Mapped[Message] = relationship()
