"""PostgreSQL's clock is the one on which hosts agree: they compare times through its rows.

A lease of a mail that one host writes ends on all of them at the same moment, and so do a snooze,
a link and a session. An SQLite file has the clock of its host, and nothing is measured.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from datetime import timedelta
from typing import NamedTuple

from . import clock

QUERY = "SELECT extract(epoch FROM clock_timestamp())"
# NTP keeps clocks within some milliseconds: such hosts go by their own, as no lease or limit here
# is shorter than ten seconds. Nor does the time follow what differs from one measurement to the
# next.
IGNORED = timedelta(seconds=1)
WARNED_OF = timedelta(seconds=5)
PERIOD = 60.0  # s between two measurements
REMEDY = "Have both machines set their clocks by NTP: `timedatectl set-ntp true`."

logger = logging.getLogger(__name__)


class Measured(NamedTuple):
    """By how much another clock is `ahead` of this host's, `within` so much more or less."""

    ahead: timedelta
    within: timedelta


def measure(read: Callable[[], float]) -> Measured:
    """Compare with what `read` returns, in Unix seconds: that was so in the middle of its call, or
    half of it before or after."""
    before = clock.host_now()
    there = read()
    half = (clock.host_now() - before) / 2
    return Measured(datetime.fromtimestamp(there, before.tzinfo) - (before + half), abs(half))


class DatabaseClock:
    """The clock that `clock.now` follows. Without an answer it keeps to what was measured last."""

    def __init__(self) -> None:
        self._due_at = 0.0  # by time.monotonic()
        self._set_at = 0.0  # the host's time at which that was 0: another one if its clock is set
        self._logged = timedelta(0)

    def is_due(self) -> bool:
        """Whether a minute has passed, or somebody has set this host's clock."""
        is_set = abs(started_at() - self._set_at) > IGNORED.total_seconds()
        return is_set or time.monotonic() >= self._due_at

    def follow(self, read: Callable[[], float]) -> None:
        """Measure by `read`, see there. Raises its errors, and then nothing has changed."""
        set_at = started_at()
        ahead, within = measure(read)
        self._set_at, self._due_at = set_at, time.monotonic() + PERIOD
        if abs(ahead - clock.ahead()) > IGNORED + within:
            clock.set_ahead(ahead if abs(ahead) > IGNORED else timedelta(0))
        if abs(clock.ahead() - self._logged) >= WARNED_OF:
            self._logged = clock.ahead()
            log(self._logged)


def started_at() -> float:
    return clock.host_now().timestamp() - time.monotonic()


def log(ahead: timedelta) -> None:
    if not ahead:
        logger.info("The clocks of this machine and of the database agree again.")
        return
    direction = "behind" if ahead > timedelta(0) else "ahead of"
    logger.warning(
        "The clock of this machine is %.0f s %s the database's, by which rtapp goes. %s",
        abs(ahead).total_seconds(), direction, REMEDY,
    )  # fmt: skip


DATABASE_CLOCK = DatabaseClock()  # of this process
