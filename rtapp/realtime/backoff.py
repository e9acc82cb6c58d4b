"""Waiting between the attempts of a loop that must not give up."""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable

import gevent
from redis.exceptions import RedisError

LIFE = 10.0  # s of success after which the next failure is a new one
LOG_PERIOD = 60.0  # s between two lines about the same cause
JITTER = (0.5, 1.0)  # the parts of a delay that are waited: processes don't retry in step


def redis_is_away(error: BaseException) -> bool:
    return isinstance(error, RedisError | OSError)


class CauseLimit:
    """Whether a cause is to be logged: each once in LOG_PERIOD."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._logged: dict[str, float] = {}  # when a cause was last logged

    def admits(self, cause: str) -> bool:
        now = self._clock()
        self._logged = {c: at for c, at in self._logged.items() if now - at < LOG_PERIOD}
        cause = re.sub(r"\d+", "", cause)  # ports, process ids and times make no other cause
        if cause in self._logged:
            return False
        self._logged[cause] = now
        return True


class Backoff:
    """One for each loop; greenlets that run the same loop share it.

    The delay begins at `shortest` seconds and is doubled at each failure up to `longest`. It
    begins again only after LIFE seconds of success: an attempt that succeeds and fails at once
    does not shorten it. Each cause is logged once in LOG_PERIOD, as a sentence that begins with
    `consequence`: an error that is `away` in one line, any other one with its traceback.
    """

    def __init__(
        self,
        logger: logging.Logger,
        consequence: str,
        shortest: float,
        longest: float,
        away: Callable[[BaseException], bool] = redis_is_away,
        clock: Callable[[], float] = time.monotonic,
    ):
        self._logger = logger
        self._consequence = consequence
        self._shortest, self._longest = shortest, longest
        self._away = away
        self._clock = clock
        self._delay = 0.0
        self._waiting_until = 0.0
        self._succeeding_since: float | None = None
        self._causes = CauseLimit(clock)

    def succeeded(self) -> None:
        """Note a success. Only the first one after a failure has an effect."""
        if self._succeeding_since is None:
            self._succeeding_since = self._clock()

    def wait(self, error: BaseException) -> None:
        """Note a failure, and sleep until the next attempt."""
        gevent.sleep(self.failed(error))

    def failed(self, error: BaseException) -> float:
        """Note a failure. Return the seconds until the next attempt."""
        now = self._clock()
        if self._succeeding_since is not None and now - self._succeeding_since >= LIFE:
            self._delay = 0.0
        self._succeeding_since = None
        if now >= self._waiting_until or not self._delay:  # not by a failure of the same attempt
            self._delay = min(max(self._shortest, self._delay * 2), self._longest)
        delay = self._delay * random.uniform(*JITTER)
        self._waiting_until = now + delay
        self._log(error, delay)
        return delay

    def _log(self, error: BaseException, delay: float) -> None:
        text = f"{type(error).__name__}: {first_line(error)}"
        if self._causes.admits(text):
            self._logger.warning(
                "%s (%s); trying again in %.2f s",
                self._consequence,
                text,
                delay,
                exc_info=None if self._away(error) else error,
            )


def first_line(error: BaseException) -> str:
    """The first line of an error's text: what follows may be a statement and its parameters."""
    return str(error).partition("\n")[0]
