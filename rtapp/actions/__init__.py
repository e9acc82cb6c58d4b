"""What a client does, by POST: one action, one file. Importing the package makes them known."""

from . import message
from . import presence
from . import typing
from .base import bp

__all__ = ["bp", "message", "presence", "typing"]
