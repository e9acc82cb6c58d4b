"""What this process knows of each account, by which a Redis that has forgotten is recognised."""

from collections import defaultdict
from collections.abc import Callable
from typing import NamedTuple

from .cursor import Cursor

# The newest event of an account that was ever published, by its id, as something knows it that
# outlives Redis; None: it does not know. What it raises is raised.
Recall = Callable[[int], Cursor | None]


class Known(NamedTuple):
    """Up to where it has been said that everything is published, and the newest event."""

    position: Cursor
    newest: Cursor

    def and_also(self, other: "Known") -> "Known":
        return Known(max(self.position, other.position), max(self.newest, other.newest))


NOTHING = Known(Cursor("0", 0, 0), Cursor("0", 0, 0))


class KnownAccounts:
    def __init__(self, recall: Recall):
        self._recall = recall
        self._recalled: set[int] = set()  # the accounts of which it has been asked
        self._accounts: defaultdict[int, Known] = defaultdict(lambda: NOTHING)

    def of(self, account_id: int) -> Known:
        """Asks `recall` first, if Redis may have been another one when it was last asked."""
        if account_id not in self._recalled:
            if (event := self._recall(account_id)) is not None:
                self.saw(account_id, event)
            self._recalled.add(account_id)
        return self._accounts[account_id]

    def newest(self, account_id: int) -> Cursor:
        """The newest event of the account that is known here."""
        return self._accounts[account_id].newest

    def saw(self, account_id: int, event: Cursor) -> None:
        """Remembers an event of an account: a Redis that is behind it has forgotten something."""
        self.learn(account_id, Known(event, event))

    def learn(self, account_id: int, known: Known) -> None:
        self._accounts[account_id] = self._accounts[account_id].and_also(known)

    def doubt(self) -> None:
        """To be called when Redis may be another one from now on."""
        self._recalled.clear()
