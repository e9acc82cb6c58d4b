"""Who may listen to what: one stream, one file. Importing the package makes them known."""

from . import account
from . import conversation
from . import presence
from . import several
from .base import authorise_again
from .base import bp

__all__ = ["account", "authorise_again", "bp", "conversation", "presence", "several"]
