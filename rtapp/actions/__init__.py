"""What a client does, by POST: one action, one file. Importing the package makes them known."""

from importlib import import_module
from pkgutil import iter_modules

from .base import bp

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["bp"]
