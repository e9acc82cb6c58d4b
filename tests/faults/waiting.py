"""Waiting for what must happen."""

import time
from collections.abc import Callable
from typing import Any

import gevent

PATIENCE = 20.0  # s for something that must happen


def eventually(condition: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Waits until the condition holds, and returns what it returned."""
    deadline = time.monotonic() + patience
    while not (result := condition()):
        assert time.monotonic() < deadline, f"not within {patience} s: {what}"
        gevent.sleep(0.02)
    return result
