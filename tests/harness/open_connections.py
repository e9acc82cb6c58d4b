"""The connections to PostgreSQL that are open, so that the test which leaves one open fails."""

from collections.abc import Iterator
from contextlib import contextmanager
from weakref import WeakSet

import psycopg
from sqlalchemy import event

from rtapp.database import FairPool

from .waiting import eventually


class OpenConnections:
    """Without this, psycopg warns as one is collected: in any later test, or in none."""

    def __init__(self) -> None:
        self._made: WeakSet[psycopg.Connection] = WeakSet()

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Note every connection of every pool inside the block."""
        event.listen(FairPool, "connect", self._note)
        try:
            yield
        finally:
            event.remove(FairPool, "connect", self._note)

    def check(self) -> None:
        """Raise AssertionError if one stays open. What a greenlet still uses may take its time."""
        what = "every connection is closed, as by release(app)"
        try:
            eventually(lambda: not self._open(), what, observed=self._open)
        finally:
            for connection in self._made:
                connection.close()  # the next test begins without any
            self._made.clear()

    def _open(self) -> list[str]:
        return [repr(connection) for connection in self._made if not connection.closed]

    def _note(self, connection: object, record: object) -> None:
        if isinstance(connection, psycopg.Connection):
            self._made.add(connection)
