"""Streams: the authorisation and topics of each, a file for each kind.

Importing the package registers them.
"""

from importlib import import_module
from pkgutil import iter_modules

from .base import authorise_again
from .base import authorising
from .base import bp

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["authorise_again", "authorising", "bp"]
