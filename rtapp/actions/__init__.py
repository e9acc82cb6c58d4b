"""What a client does, by POST: one action, one file. Importing the package makes them known."""

from . import assignee
from . import conversation
from . import message
from . import notification
from . import presence
from . import read
from . import status
from . import typing
from .base import bp

__all__ = [
    "assignee", "bp", "conversation", "message", "notification", "presence", "read", "status",
    "typing",
]  # fmt: skip
