"""The sockets of all open streams, watched: for a hang-up, and for room for what is unsent."""

from __future__ import annotations

import os
import selectors
import time
from typing import TYPE_CHECKING
from typing import Any

import gevent
from gevent import monkey

from .subscriber import State
from .subscriber import Subscriber

if TYPE_CHECKING:
    from .hub import Hub

# gevent replaces selectors.DefaultSelector with its own; this is the kernel's, as one descriptor
# that gevent's loop watches.
KernelSelector: Any = monkey.get_original("selectors", "DefaultSelector")


class Sockets:
    def __init__(self, hub: Hub):
        self._hub = hub
        self.stalled: dict[Subscriber, float] = {}  # since when its socket has taken nothing
        self._selector = KernelSelector()
        self._watcher: Any = None

    def start(self) -> None:
        self._watcher = gevent.get_hub().loop.io(self._selector.fileno(), 1)
        self._watcher.start(self._ready)

    def stop(self) -> None:
        if self._watcher is not None:
            self._watcher.stop()
            self._watcher.close()
        self._selector.close()

    def subscribers(self) -> list[Subscriber]:
        return [key.data for key in self._selector.get_map().values()]

    def __len__(self) -> int:
        return len(self._selector.get_map())

    def add(self, subscriber: Subscriber) -> None:
        self._selector.register(subscriber.fd, selectors.EVENT_READ, subscriber)

    def discard(self, subscriber: Subscriber) -> None:
        self._selector.unregister(subscriber.fd)
        self.stalled.pop(subscriber, None)

    def stall(self, subscriber: Subscriber) -> None:
        """To be called when the socket has not taken all: what remains leaves when it can."""
        self.stalled.setdefault(subscriber, time.monotonic())
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(subscriber.fd, both, subscriber)
        self._hub.catch_up(subscriber)

    def _ready(self) -> None:
        for key, events in self._selector.select(0):
            subscriber = key.data
            if subscriber.state is not State.CLOSED and events & selectors.EVENT_READ:
                self._read(subscriber)
            if subscriber.state is not State.CLOSED and events & selectors.EVENT_WRITE:
                self._flush(subscriber)

    def _read(self, subscriber: Subscriber) -> None:
        """A client has nothing more to say: either it hung up, or what it sends is dropped."""
        try:
            said = os.read(subscriber.fd, 4096)
        except BlockingIOError:
            return
        except OSError:
            said = b""
        if not said:
            self._hub.close(subscriber, "gone")

    def _flush(self, subscriber: Subscriber) -> None:
        try:
            whole = subscriber.flush()
        except OSError:
            self._hub.close(subscriber, "gone")
            return
        if whole:
            del self.stalled[subscriber]
            self._selector.modify(subscriber.fd, selectors.EVENT_READ, subscriber)
            self._hub.catch_up(subscriber)
        else:
            self.stalled[subscriber] = time.monotonic()
