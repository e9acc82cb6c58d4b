"""What the test kit has of it, under the names that our tests use."""

from rtapp.testing import State
from rtapp.testing import events_since
from rtapp.testing import verified

__all__ = ["State", "events_since", "verified"]
