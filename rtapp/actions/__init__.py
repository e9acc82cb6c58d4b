"""Actions: the POST endpoints, a file for each noun. Importing the package registers them."""

from importlib import import_module
from pkgutil import iter_modules

from .base import bp

for module in iter_modules(__path__):
    import_module(f"{__name__}.{module.name}")

__all__ = ["bp"]
