from sqlalchemy import String
from sqlalchemy.orm import Mapped
from sqlalchemy.orm import mapped_column

from rtapp.extensions import Model

from .types import Moment


class Schedule(Model):
    """Work that one process does at a time: the one that puts `due_at` off."""

    __tablename__ = "schedules"

    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    due_at: Mapped[Moment]
