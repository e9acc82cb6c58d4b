"""The test kit's comparison of state and events."""

from rtapp.testing import State
from rtapp.testing import events_since
from rtapp.testing import verified

__all__ = ["State", "events_since", "verified"]
