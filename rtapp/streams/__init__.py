"""Who may listen to what: one stream, one file. Importing the package makes them known."""

from . import account
from . import conversation
from . import several
from .base import bp

__all__ = ["account", "bp", "conversation", "several"]
