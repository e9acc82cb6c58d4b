"""The conversations with something unread in one view of a user, kept current id by id.

A large account has more of them than are worth counting. The number shown is at most MAX_COUNT
(`99+`), and a set keeps at most MAX_IDS ids: 200 to 600 bytes.
"""

from array import array
from collections.abc import Iterable

MAX_COUNT = 100  # the number that stands for "as many or more"
MAX_IDS = MAX_COUNT + 28  # ids kept: 28 can be read before the rows must be queried again
VIEWS = ("mine", "unassigned", "all")

ID = "I"  # as large as an id of the database
assert array(ID).itemsize == 4


def views_of(user_id: int, assignee_id: int | None) -> tuple[str, ...]:
    """The views of a user that list an open conversation."""
    if assignee_id is None:
        return ("unassigned", "all")
    return ("mine", "all") if assignee_id == user_id else ("all",)


class CappedIdSet:
    """The ids of a view's conversations: all of them, or MAX_IDS of them when there are more."""

    __slots__ = ("_capped", "_ids")

    def __init__(self, ids: Iterable[int] = ()):
        self._ids = array(ID, ids)
        self._capped = False
        self._cap()

    @property
    def count(self) -> int:
        return min(len(self._ids), MAX_COUNT)

    @property
    def exact(self) -> bool:
        """Whether `count` is right. A capped set that lost too many ids must be queried again."""
        return len(self._ids) >= MAX_COUNT or not self._capped

    def put(self, id: int, counted: bool) -> None:
        """Add the id, or remove it."""
        if (id in self._ids) == counted:
            return
        if counted:
            self._ids.append(id)
            self._cap()
        else:
            self._ids.remove(id)

    def _cap(self) -> None:
        if len(self._ids) > MAX_IDS:
            del self._ids[MAX_IDS:]
            self._capped = True
