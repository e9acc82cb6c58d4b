from sqlalchemy import ForeignKey
from sqlalchemy import Index
from sqlalchemy import String
from sqlalchemy import UniqueConstraint
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import validates

from rtapp.config import LABEL_LIMIT
from rtapp.extensions import Model
from rtapp.text import caseless
from rtapp.text import not_blank

from .types import CreatedAt
from .types import Id

FOLDED_LIMIT = 9 * LABEL_LIMIT  # NFC and case folding triple a text at most, each


class Label(Model):
    """A word by which an account sorts its conversations. Customers never see it.

    `folded` is the title as it is compared: no two labels of an account look the same but for their
    case. `colour` is the number of a hue of the style sheet.
    """

    __tablename__ = "labels"
    __table_args__ = (UniqueConstraint("account_id", "folded"),)

    id: Mapped[Id]
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    title: Mapped[str] = mapped_column(String(LABEL_LIMIT))
    folded: Mapped[str] = mapped_column(String(FOLDED_LIMIT))
    colour: Mapped[int]
    created_at: Mapped[CreatedAt]

    @validates("title")
    def _titled(self, key: str, title: str) -> str:
        """Raises ValueError for a blank title."""
        self.folded = caseless(not_blank(title))
        return title


class ConversationLabel(Model):
    """A label on a conversation. It goes with either of them."""

    __tablename__ = "conversation_labels"
    __table_args__ = (Index(None, "label_id", "conversation_id"),)  # of the list of a label

    conversation_id: Mapped[int] = mapped_column(
        ForeignKey("conversations.id", ondelete="CASCADE"), primary_key=True
    )
    label_id: Mapped[int] = mapped_column(
        ForeignKey("labels.id", ondelete="CASCADE"), primary_key=True
    )
