"""The current time, and its RFC 3339 form for clients."""

from datetime import UTC
from datetime import datetime


def now() -> datetime:
    """The current time, timezone-aware, in UTC."""
    return datetime.now(UTC)


def rfc3339(moment: datetime) -> str:
    """`moment` (aware) as RFC 3339 in UTC with milliseconds: `2026-11-23T14:05:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
