"""The sockets of all open streams, watched for a hang-up and for room to write."""

from __future__ import annotations

import os
import selectors
import time
from collections.abc import Callable
from typing import Any

import gevent
from gevent import monkey

from .subscriber import State
from .subscriber import Subscriber

# gevent replaces selectors.DefaultSelector with its own; this is the kernel's, as one descriptor
# that gevent's loop watches.
KernelSelector: Any = monkey.get_original("selectors", "DefaultSelector")

Callback = Callable[[Subscriber], object]


class Sockets:
    def __init__(self) -> None:
        self.blocked: dict[Subscriber, float] = {}  # since when the socket has taken nothing
        self._selector = KernelSelector()
        self._watcher: Any = None
        self._on_gone: Callback = lambda _: None
        self._on_drained: Callback = lambda _: None

    def start(self, on_gone: Callback, on_drained: Callback) -> None:
        """Watch the sockets. Calls `on_gone` at a hang-up, `on_drained` when a blocked socket has
        taken all unsent bytes."""
        self._on_gone, self._on_drained = on_gone, on_drained
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

    def remove(self, subscriber: Subscriber) -> None:
        self._selector.unregister(subscriber.fd)
        self.blocked.pop(subscriber, None)

    def block(self, subscriber: Subscriber) -> None:
        """The socket has not taken all: write its unsent bytes when there is room."""
        self.blocked.setdefault(subscriber, time.monotonic())
        both = selectors.EVENT_READ | selectors.EVENT_WRITE
        self._selector.modify(subscriber.fd, both, subscriber)

    def _ready(self) -> None:
        for key, events in self._selector.select(0):
            subscriber = key.data
            if subscriber.state is not State.CLOSED and events & selectors.EVENT_READ:
                self._read(subscriber)
            if subscriber.state is not State.CLOSED and events & selectors.EVENT_WRITE:
                self._flush(subscriber)

    def _read(self, subscriber: Subscriber) -> None:
        """Find a hang-up. Bytes that a client sends after its request are dropped."""
        try:
            data = os.read(subscriber.fd, 4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._on_gone(subscriber)

    def _flush(self, subscriber: Subscriber) -> None:
        try:
            complete = subscriber.flush()
        except OSError:
            self._on_gone(subscriber)
            return
        if complete:
            del self.blocked[subscriber]
            self._selector.modify(subscriber.fd, selectors.EVENT_READ, subscriber)
            self._on_drained(subscriber)
        else:
            self.blocked[subscriber] = time.monotonic()
