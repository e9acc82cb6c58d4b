"""Grants: what the database has allowed, kept until a control message names a subject of it.

For what is asked again and again while a stream is open, such as typing. Nothing is kept unless
control messages arrive: from the moment at which Redis confirms their channel until the connection
is lost, which a barrier finds out within seconds. A single message may still be lost. For that, as
for open streams (see revocation.py), a grant ends after LIFETIME in any case.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from collections.abc import Hashable
from typing import Any
from typing import NamedTuple

LIFETIME = 55.0  # s: 60 are promised
MOST = 10_000  # grants, a few hundred bytes each


class Grant(NamedTuple):
    """An answer of the database. `subjects`: a change of their rights ends it, by the names that
    control messages have. `expires` is monotonic, in s."""

    value: Any
    subjects: tuple[str, ...]
    expires: float


class Grants:
    """`watched` returns whether a user id, or the negative of a contact's, has an open stream."""

    def __init__(self, watched: Callable[[int], bool], clock: Callable[[], float] = time.monotonic):
        self._watched = watched
        self._clock = clock
        self._listening = False
        self._changes = 0
        self._grants: dict[Hashable, Grant] = {}
        self._keys: dict[str, set[Hashable]] = {}  # of each subject

    @property
    def changes(self) -> int:
        """A number that grows with each change of rights. Read it before the query."""
        return self._changes

    def find(self, subscriber: int, key: Hashable) -> Any:
        """What was granted to the subscriber under this key; None if nothing is, or if nobody
        watches their rights here."""
        grant = self._grants.get(key)
        if grant is None or not self._watched(subscriber) or grant.expires <= self._clock():
            return None
        return grant.value

    def keep(
        self, subscriber: int, key: Hashable, value: Any, subjects: tuple[str, ...], changes: int
    ) -> None:
        """Keep an answer, unless rights have changed since `changes` was read: the answer may be
        older than that change."""
        if not self._listening or changes != self._changes or not self._watched(subscriber):
            return
        if len(self._grants) >= MOST:
            self._clear()
        self._grants[key] = Grant(value, subjects, self._clock() + LIFETIME)
        for subject in subjects:
            self._keys.setdefault(subject, set()).add(key)

    def forget(self, subject: str) -> None:
        """End the grants of a subject, whose rights have changed."""
        self._changes += 1
        for key in self._keys.pop(subject, ()):
            grant = self._grants.pop(key, None)
            for other in grant.subjects if grant is not None else ():
                if other in self._keys:
                    self._keys[other].discard(key)

    def listen(self) -> None:
        """Control messages arrive from now on."""
        self._listening = True

    def interrupt(self) -> None:
        """Control messages may be missed from now on."""
        self._listening = False
        self._changes += 1
        self._clear()

    def _clear(self) -> None:
        self._grants.clear()
        self._keys.clear()
