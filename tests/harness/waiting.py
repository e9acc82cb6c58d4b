"""Waiting for what must happen: one `eventually`, for our tests and for the test kit."""

from rtapp.testing.waiting import PATIENCE
from rtapp.testing.waiting import eventually

__all__ = ["PATIENCE", "eventually"]
