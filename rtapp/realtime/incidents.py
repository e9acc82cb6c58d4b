"""The newest resets and gaps of this process, for administrators. Pure."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

KEPT = 50
TOGETHER = 1.0  # s within which equal incidents are one


class Incident(NamedTuple):
    """A reset of streams, or a gap in a topic.

    `at`: Unix time in s. `reason` of a reset: `history_lost` or `unknown_cursor`, as the client
    received it; `published` for one that was published, `rights_changed` for lost topics. `reason`
    of a gap: `missed` or `other_epoch`. `streams`: how many have the topics and were affected.
    """

    at: float
    kind: str
    account_id: int
    topics: tuple[str, ...]
    reason: str
    streams: int


class Incidents:
    """At most KEPT, whatever happens: noting one costs nothing that grows."""

    def __init__(self) -> None:
        self._newest: deque[Incident] = deque(maxlen=KEPT)

    def note(self, incident: Incident) -> None:
        """Add an incident. The streams of equal ones in a row are counted together."""
        last = self._newest[-1] if self._newest else None
        if last is not None and is_same(last, incident):
            self._newest[-1] = last._replace(streams=last.streams + incident.streams)
        else:
            self._newest.append(incident)

    def of(self, account_id: int) -> list[Incident]:
        """Return those of the account, the newest first."""
        return [each for each in reversed(self._newest) if each.account_id == account_id]


def is_same(last: Incident, incident: Incident) -> bool:
    return incident.at - last.at < TOGETHER and last[1:5] == incident[1:5]
