"""gunicorn's gevent worker, with the hand-off of streams. Named in gunicorn.conf.py."""

import sys

from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventPyWSGIWorker
from gunicorn.workers.ggevent import PyWSGIHandler
from sqlalchemy.exc import SQLAlchemyError

from rtapp import seed
from rtapp.events.outbox import Relay
from rtapp.realtime.engine import Engine
from rtapp.realtime.handoff import HandOffHandler
from rtapp.realtime.limits import freeze_garbage_collector
from rtapp.realtime.limits import raise_descriptor_limit
from rtapp.reopener import Reopener


class Handler(HandOffHandler, PyWSGIHandler):  # type: ignore[misc]
    """Our hand-off, with gunicorn's access log."""


class Worker(GeventPyWSGIWorker):  # type: ignore[misc]
    """Each worker has an engine, a relay and a reopener of its own; Redis connects them."""

    wsgi_handler = Handler

    def run(self) -> None:
        engine: Engine = self.wsgi.extensions["engine"]
        relay: Relay = self.wsgi.extensions["relay"]
        reopener: Reopener = self.wsgi.extensions["reopener"]
        self._refuse_demo_passwords()
        raise_descriptor_limit()
        engine.start()
        relay.start()
        reopener.start()
        freeze_garbage_collector()
        try:
            super().run()  # returns when it has stopped accepting, and requests are over
        finally:
            engine.drain()
            reopener.stop()
            relay.stop()
            engine.stop()

    def _refuse_demo_passwords(self) -> None:
        """End gunicorn in production if its first workers find a user with the demo's password.

        A worker that replaces another one later would end the others, whose streams go on.
        """
        if not self.wsgi.config["PRODUCTION"] or self.age > self.cfg.workers:
            return
        try:
            with self.wsgi.app_context():
                seed.refuse_demo_passwords()
        except SQLAlchemyError:
            pass  # the database is away, or has no tables yet
        except seed.DemoPasswords as error:
            self.log.error("rtapp: %s", error)
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
