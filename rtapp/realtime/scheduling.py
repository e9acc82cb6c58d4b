"""Cooperative scheduling: a greenlet with much to do lets others run in between."""

from typing import Any

import gevent


def yield_to_loop() -> None:
    """Return once every socket and greenlet that is ready now has been served.

    `gevent.sleep(0)` would not do: it is a callback, and gevent's loop runs 50 of those, then more
    until 5 ms are over, before it polls its sockets again. A timer fires after the poll, and one of
    the lowest priority after what the poll found.
    """
    hub = gevent.get_hub()
    loop: Any = hub.loop  # whose stubs lack priorities
    with loop.timer(0, priority=loop.MINPRI) as timer:
        hub.wait(timer)
