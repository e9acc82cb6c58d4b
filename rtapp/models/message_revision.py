from sqlalchemy import ForeignKey
from sqlalchemy import Text
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column
from sqlalchemy.orm import relationship

from rtapp.extensions import Model

from .types import Moment
from .user import User


class MessageRevision(Model):
    """An earlier text of a message: the `version` that it was, and the edit that replaced it.

    Administrators read it. It is deleted with the message.
    """

    __tablename__ = "message_revisions"

    message_id: Mapped[int] = mapped_column(ForeignKey("messages.id"), primary_key=True)
    version: Mapped[int] = mapped_column(primary_key=True)
    content: Mapped[str] = mapped_column(Text)
    edited_by_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    edited_at: Mapped[Moment]

    edited_by: Mapped[User] = relationship()
