"""How many conversations with something unread stand in a view, kept up one by one.

A large account has more of them than are worth counting: a number says at most MOST (`99+`), and no
more than HELD conversations are known by their ids, in two hundred bytes or a few hundred.
"""

from array import array
from collections.abc import Iterable

MOST = 100  # said of what is as many or more
HELD = MOST + 28  # ids known at most: so many can be read until the rows are asked again
VIEWS = ("mine", "unassigned", "all")

ID = "I"  # as large as an id of the database
assert array(ID).itemsize == 4


def views_of(user_id: int, assignee_id: int | None) -> tuple[str, ...]:
    """The views of a user in which an open conversation stands."""
    if assignee_id is None:
        return ("unassigned", "all")
    return ("mine", "all") if assignee_id == user_id else ("all",)


class Tally:
    """A view's conversations, by their ids: all of them, or some when there are `more`."""

    __slots__ = ("_ids", "_more")

    def __init__(self, ids: Iterable[int] = ()):
        self._ids = array(ID, ids)
        self._more = False
        self._cut()

    @property
    def number(self) -> int:
        return min(len(self._ids), MOST)

    @property
    def known(self) -> bool:
        """Whether the number is right: of `more`, too many may have gone to tell."""
        return len(self._ids) >= MOST or not self._more

    def put(self, id: int, stands: bool) -> None:
        """Has a conversation stand in the view, or not."""
        if (id in self._ids) == stands:
            return
        if stands:
            self._ids.append(id)
            self._cut()
        else:
            self._ids.remove(id)

    def _cut(self) -> None:
        if len(self._ids) > HELD:
            del self._ids[HELD:]
            self._more = True
