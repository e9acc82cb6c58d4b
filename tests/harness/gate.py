"""A point in the program at which a test holds what comes by."""

from collections.abc import Callable
from typing import Any

from gevent.event import Event

from rtapp.testing.waiting import PATIENCE


class Gate:
    """Closed, it holds each greenlet that passes; open, it lets them through.

    `before(function)` gives the function with this gate in front of it, for monkeypatch.
    """

    def __init__(self, name: str = "the gate", closed: bool = True):
        self._name = name
        self._reached = Event()
        self._opened = Event()
        if not closed:
            self._opened.set()

    def __call__(self) -> None:
        """Pass it, as soon as it is open."""
        self._reached.set()
        self._opened.wait()

    @property
    def reached(self) -> bool:
        """Whether a greenlet has come as far as this."""
        return self._reached.is_set()

    def wait_reached(self) -> None:
        assert self._reached.wait(PATIENCE), f"nothing has come to {self._name}"

    def open(self) -> None:
        self._opened.set()

    def close(self) -> None:
        self._reached.clear()
        self._opened.clear()

    def before(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def held(*args: Any, **named: Any) -> Any:
            self()
            return function(*args, **named)

        return held
