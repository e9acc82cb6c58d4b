"""Conversations whose snooze is over open by themselves: a look at what is due, every second."""

import logging

import gevent
from flask import Flask

from rtapp import clock
from rtapp.services.reopen_snoozed import reopen_snoozed

POLL_INTERVAL = 1.0  # s between two looks, each one query of an index

logger = logging.getLogger(__name__)


class Reopener:
    """One per process. That several look at the same time does no harm."""

    def __init__(self, app: Flask):
        self._app = app
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Begins to look, in a greenlet. Again: does nothing."""
        if self._greenlet is None:
            self._greenlet = gevent.spawn(self._run)

    def stop(self) -> None:
        if self._greenlet is not None:
            self._greenlet.kill()
            self._greenlet = None

    def _run(self) -> None:
        while True:
            gevent.sleep(POLL_INTERVAL)
            try:
                with self._app.app_context():
                    while reopen_snoozed(clock.now()):
                        pass
            except Exception:
                logger.exception("Snoozed conversations can't be opened; trying again")
