"""Waiting for something that must happen."""

import inspect
import time
from collections.abc import Callable
from typing import TypeVar

# Seconds after which a wait is taken for a hang. Not a bound on speed: a busy machine takes its
# time, and only a test that fails waits this long.
PATIENCE = 60.0
# s between two questions: short at first, then a twentieth of the time waited. What lasts long
# costs little then, and ends hardly later.
SHORTEST, LONGEST = 0.01, 0.25

T = TypeVar("T")


def eventually(
    condition: Callable[[], T],
    what: str = "",
    patience: float | None = None,
    observed: Callable[[], object] | None = None,
) -> T:
    """Wait until `condition()` is true, and return its value.

    Fails when nothing has moved for `patience` seconds (PATIENCE if None): each change of
    `observed()` begins them again, as a busy machine takes its time. The failure names `what` did
    not happen (the source line of `condition` if empty) and what was last observed: `observed()`,
    else the value of `condition`.
    """
    limit = PATIENCE if patience is None else patience
    began = time.monotonic()
    deadline, last = began + limit, observed() if observed is not None else None
    while not (result := condition()):
        if observed is not None and (seen := observed()) != last:
            deadline, last = time.monotonic() + limit, seen
        if (now := time.monotonic()) >= deadline:
            raise AssertionError(
                f"not within {limit:g} s: {what or _source(condition)}; "
                f"last observed: {last if observed is not None else result!r}"
            )
        time.sleep(min(max(SHORTEST, (now - began) / 20), LONGEST))
    return result


def _source(condition: Callable[[], object]) -> str:
    try:
        return inspect.getsource(condition).strip().splitlines()[0]
    except (OSError, TypeError):
        return repr(condition)
