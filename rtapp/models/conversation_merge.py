from sqlalchemy import JSON
from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .merge import Merge
from .user import User


class ConversationMerge(Merge, Model):
    """A merge of the conversation `source` into `target`, with what undoing it needs.

    `message_ids`: the messages that moved. `label_ids`: the labels that the target gained.
    `conversation_ids`: the conversations that had been merged into the source before. The source's
    status, assignee, labels and read markers stay in its own rows.
    """

    __tablename__ = "conversation_merges"

    source_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), index=True)
    target_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    message_ids: Mapped[list[int]] = mapped_column(JSON)
    label_ids: Mapped[list[int]] = mapped_column(JSON)
    conversation_ids: Mapped[list[int]] = mapped_column(JSON)
    merged_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))

    merged_by: Mapped[User] = relationship(foreign_keys=[merged_by_id])
