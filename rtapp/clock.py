"""The current time, on which all hosts agree, and its RFC 3339 form for clients."""

from datetime import UTC
from datetime import datetime
from datetime import timedelta

_ahead = timedelta(0)  # of what hosts agree on, to this host's clock: see database_clock.py


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return host_now() + _ahead


def host_now() -> datetime:
    """The time of this host's clock, which may be wrong. For comparisons of clocks only."""
    return datetime.now(UTC)


def ahead() -> timedelta:
    """By how much `now` is ahead of this host's clock."""
    return _ahead


def set_ahead(ahead: timedelta) -> None:
    global _ahead
    _ahead = ahead


def rfc3339(moment: datetime) -> str:
    """`moment` (aware) as RFC 3339 in UTC with milliseconds: `2026-11-23T14:05:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
