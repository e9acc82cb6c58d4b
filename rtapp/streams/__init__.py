"""Who may listen to what: one stream, one file. Importing the package makes them known."""

from importlib import import_module
from pkgutil import iter_modules

from .base import authorise_again
from .base import bp

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["authorise_again", "bp"]
