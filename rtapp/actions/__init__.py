"""What a client does, by POST: one action, one file. Importing the package makes them known."""

from . import message
from .base import bp

__all__ = ["bp", "message"]
