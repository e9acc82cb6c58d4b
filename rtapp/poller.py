"""Work that becomes due by itself, found by a query each second."""

import logging
from collections.abc import Callable

import gevent
from flask import Flask

from rtapp.database import is_away
from rtapp.realtime.backoff import Backoff

POLL_INTERVAL = 1.0  # s; each poll is one query of an index
RETRY_DELAY = (1.0, 5.0)  # s: the first, and the longest

logger = logging.getLogger(__name__)


class Poller:
    """A background task of a process. Several processes may poll at the same time.

    `work` does a batch of what is due, in an application context, and returns 0 once nothing is.
    `failure` is the log's sentence for an error.
    """

    def __init__(self, app: Flask, work: Callable[[], int], failure: str):
        self._app = app
        self._work = work
        self._backoff = Backoff(logger, failure, *RETRY_DELAY, away=is_away)
        self._greenlet: gevent.Greenlet[..., None] | None = None

    def start(self) -> None:
        """Start polling in a greenlet. A second call does nothing."""
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
                    while self._work():
                        pass
                self._backoff.succeeded()
            except Exception as error:
                self._backoff.wait(error)
