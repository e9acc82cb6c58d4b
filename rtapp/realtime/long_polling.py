"""Long polling: a stream with `wait` ends after its first events, or when its time is over.

Through a proxy that holds a response back until it is complete, a client receives events in this
way. The endpoint, the frames and the cursor are the same; `Last-Event-ID` continues.
"""

import time

import gevent

from .hub import Hub

TICK = 1.0  # s between two looks for streams whose time is over
COALESCE = 0.1  # s after the first event for those that follow it, such as the unread counts


class LongPolling:
    def __init__(self, hub: Hub):
        self._hub = hub

    def run(self) -> None:
        while True:
            self._hub.wait_for_served(TICK)
            gevent.sleep(COALESCE)
            self.close_due(time.monotonic())

    def close_due(self, now: float) -> None:
        """Close the streams that have been served, and those whose time was over at `now`
        (monotonic). One that has not taken all of its bytes stays until it has."""
        due = [subscriber for subscriber, end in self._hub.waiting.items() if end <= now]
        for subscriber in {*self._hub.served, *due}:
            if not self._hub.is_blocked(subscriber):
                self._hub.close(subscriber, "waited")
