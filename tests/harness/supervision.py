"""Greenlets that help a test: one that fails ends the test at once, with its own error."""

from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gevent
from greenlet import getcurrent
from greenlet import greenlet


class HelperFailed(BaseException):
    """A helper has failed. Its error is the cause.

    Not an Exception: it must pass through what the test's own code catches while it waits.
    """


class Supervisor:
    """Raises HelperFailed in the greenlet that made it as soon as a helper fails.

    That greenlet may wait for anything: it is woken as by a gevent.Timeout.
    """

    def __init__(self) -> None:
        self._owner: greenlet = getcurrent()
        self._helpers: list[gevent.Greenlet[..., Any]] = []
        self._watching = True
        self._failed: gevent.Greenlet[..., Any] | None = None

    def spawn(
        self, function: Callable[..., Any], *args: Any, **options: Any
    ) -> "gevent.Greenlet[..., Any]":
        helper: gevent.Greenlet[..., Any] = gevent.Greenlet(function, *args, **options)
        helper.link_exception(self._fail)
        self._helpers.append(helper)
        helper.start()
        return helper

    def close(self) -> None:
        """Ends the helpers that still run. What they raise by that is not a failure."""
        self._watching = False
        gevent.killall(self._helpers)

    def _fail(self, helper: "gevent.Greenlet[..., Any]") -> None:
        if not self._watching:
            return
        self._watching = False
        error = HelperFailed(f"{helper.name}: {helper.exception!r}")
        error.__cause__ = helper.exception
        self._owner.throw(error)


_supervisors: list[Supervisor] = []


@contextmanager
def supervised() -> Iterator[Supervisor]:
    """Helpers that are spawned inside by `spawn` are supervised, and ended with the block."""
    supervisor = Supervisor()
    _supervisors.append(supervisor)
    try:
        yield supervisor
    finally:
        _supervisors.remove(supervisor)
        supervisor.close()


def spawn(function: Callable[..., Any], *args: Any, **options: Any) -> "gevent.Greenlet[..., Any]":
    """Start a helper of the innermost `supervised` block, which must be open."""
    assert _supervisors, "a helper is started inside `with supervised():`"
    return _supervisors[-1].spawn(function, *args, **options)
