"""What a client does, by POST: one action, one file. Importing the package makes them known."""

from . import assignee
from . import conversation
from . import message
from . import notification
from . import read
from . import status
from .base import bp

__all__ = ["assignee", "bp", "conversation", "message", "notification", "read", "status"]
