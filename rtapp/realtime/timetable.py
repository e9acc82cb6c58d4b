"""When something is due, by its key: the earliest first."""

import heapq
import math
from collections.abc import Iterator
from typing import Generic
from typing import TypeVar

Key = TypeVar("Key")


class Timetable(Generic[Key]):
    """Keys that compare, each due at one time of `time.monotonic()`."""

    def __init__(self) -> None:
        self._due: dict[Key, float] = {}
        self._heap: list[tuple[float, Key]] = []  # the same, and times that no longer hold

    def schedule(self, key: Key, at: float) -> bool:
        """Have a key due at `at`, unless it is due earlier. Return whether it is the next one."""
        if key in self._due and self._due[key] <= at:
            return False
        self._due[key] = at
        heapq.heappush(self._heap, (at, key))
        return self._heap[0][0] == at

    def next(self) -> float:
        """Return when the next key may be due; infinity without one."""
        return self._heap[0][0] if self._heap else math.inf

    def take(self, now: float) -> Iterator[Key]:
        """Remove and return the keys that are due."""
        while self._heap and self._heap[0][0] <= now:
            at, key = heapq.heappop(self._heap)
            if self._due.get(key) == at:
                del self._due[key]
                yield key
