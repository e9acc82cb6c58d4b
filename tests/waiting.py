"""Waiting for what must become true, with a deadline. No test sleeps to pass time."""

import time
from collections.abc import Callable
from typing import TypeVar

DEADLINE = 10.0  # s; generous, because it is only waited for when a test fails
PAUSE = 0.01  # s between two looks

Value = TypeVar("Value")


def eventually(look: Callable[[], Value], within: float = DEADLINE) -> Value:
    """What `look` returns once that is true. Raises AssertionError if it isn't in time."""
    deadline = time.monotonic() + within
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"still {seen!r} after {within} s")
        time.sleep(PAUSE)
