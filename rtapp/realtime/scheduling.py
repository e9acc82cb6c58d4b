"""Giving way: a greenlet that has much to do lets everyone else have a turn now and then."""

from typing import Any

import gevent


def yield_to_loop() -> None:
    """Goes on once every socket and greenlet that is ready by now has been served.

    `gevent.sleep(0)` would not do: it is a callback, and gevent's loop runs 50 of those, then more
    until 5 ms are over, before it looks at its sockets again. A timer fires after it has looked,
    and one of the lowest priority after what it found.
    """
    hub = gevent.get_hub()
    loop: Any = hub.loop  # whose stubs lack priorities
    with loop.timer(0, priority=loop.MINPRI) as timer:
        hub.wait(timer)
