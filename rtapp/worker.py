"""gunicorn's gevent worker, with the hand-off of streams. Named in gunicorn.conf.py."""

import sys
import time
from datetime import timedelta
from typing import Any

import gevent
from gevent.event import Event
from gunicorn.arbiter import Arbiter
from gunicorn.workers.ggevent import GeventPyWSGIWorker
from gunicorn.workers.ggevent import GeventResponse
from gunicorn.workers.ggevent import PyWSGIHandler
from sqlalchemy.exc import SQLAlchemyError

from rtapp import first_run
from rtapp import schema
from rtapp import seed
from rtapp import starting
from rtapp.access_log import loggable
from rtapp.events.relay import Relay
from rtapp.poller import Poller
from rtapp.push.sender import Sender
from rtapp.realtime.engine import Engine
from rtapp.realtime.handoff import HandOffHandler
from rtapp.realtime.handoff import HandOffServer
from rtapp.realtime.limits import freeze_garbage_collector
from rtapp.realtime.limits import raise_descriptor_limit


class Handler(HandOffHandler, PyWSGIHandler):  # type: ignore[misc]
    """Our hand-off, with gunicorn's access log."""

    def log_request(self) -> None:
        """Write the access log's line. Whatever its format is, it has no header and no query."""
        status = self.status.decode() if isinstance(self.status, bytes) else self.status
        answer = GeventResponse(status, [], self.response_length)
        took = timedelta(seconds=(self.time_finish or time.time()) - self.time_start)
        client = self.client_address[0] if isinstance(self.client_address, tuple) else ""
        environ = self.environ or {"REMOTE_ADDR": client}
        self.server.log.access(answer, [], loggable(environ), took)  # type: ignore[attr-defined]


class Worker(GeventPyWSGIWorker):  # type: ignore[misc]
    """Each worker has an engine, a relay and pollers of its own; Redis connects them."""

    wsgi_handler = Handler

    def init_process(self) -> None:
        self._servers: list[HandOffServer] = []
        self._stopping = Event()
        super().init_process()

    def server_class(self, *args: Any, **options: Any) -> HandOffServer:
        server = HandOffServer(*args, **options)
        self._servers.append(server)
        return server

    def run(self) -> None:
        engine: Engine = self.wsgi.extensions["engine"]
        relay: Relay = self.wsgi.extensions["relay"]
        clock_keeper: Poller = self.wsgi.extensions["clock_keeper"]
        reopener: Poller = self.wsgi.extensions["reopener"]
        assigner: Poller = self.wsgi.extensions["assigner"]
        pusher: Poller = self.wsgi.extensions["pusher"]
        mailer: Poller = self.wsgi.extensions["mailer"]
        use_writer: Poller = self.wsgi.extensions["use_writer"]
        expirer: Poller = self.wsgi.extensions["expirer"]
        remover: Poller = self.wsgi.extensions["remover"]
        retainer: Poller = self.wsgi.extensions["retainer"]
        sender: Sender = self.wsgi.extensions["sender"]
        self._check_database()
        self._check_redis()
        sender.load()
        raise_descriptor_limit()
        engine.start()
        relay.start()
        clock_keeper.start()
        reopener.start()
        assigner.start()
        pusher.start()
        mailer.start()
        use_writer.start()
        expirer.start()
        remover.start()
        retainer.start()
        freeze_garbage_collector()
        drain = gevent.spawn(self._drain, engine)
        try:
            super().run()  # returns when it has been stopped, and requests are over
        finally:
            self._stopping.set()
            drain.join()
            retainer.stop()
            remover.stop()
            expirer.stop()
            use_writer.stop()
            mailer.stop()
            pusher.stop()
            assigner.stop()
            reopener.stop()
            clock_keeper.stop()
            relay.stop()
            engine.stop()

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Handle SIGTERM. gunicorn's worker looks for it once a second: the drain begins now."""
        super().handle_exit(sig, frame)
        self._stopping.set()

    def _drain(self, engine: Engine) -> None:
        self._stopping.wait()
        for server in self._servers:
            server.close()
        engine.drain()

    def _check_database(self) -> None:
        """End gunicorn if its first worker finds tables of a newer version, or in production a user
        with the demo's password.

        Only the first one: gunicorn prints a traceback if a second worker fails while it stops. A
        worker that replaces another one later starts: it would end the others, whose streams go
        on. With tables of another version it is not ready.
        """
        is_first = self.age == 1
        fatal = None
        try:
            with self.wsgi.app_context():
                if (mismatch := schema.mismatch()) is not None:
                    self.log.error("rtapp: %s", mismatch)
                elif self.wsgi.config["PRODUCTION"] and is_first:
                    seed.refuse_demo_passwords()
        except SQLAlchemyError:
            return  # the database is away; /readyz has it
        except seed.DemoPasswords as error:
            self.log.error("rtapp: %s", error)
            fatal = error
        if is_first and (fatal or mismatch == schema.NEWER):
            sys.exit(Arbiter.WORKER_BOOT_ERROR)
        if is_first and mismatch is None:
            self._invite()

    def _invite(self) -> None:
        """Log the link to the first page, once: no other worker does."""
        with self.wsgi.app_context():
            if (invitation := first_run.invitation()) is not None:
                self.log.warning("rtapp: %s", invitation)

    def _check_redis(self) -> None:
        """End gunicorn if Redis refuses its first worker's password. Later it is waited for."""
        try:
            starting.refuse_wrong_redis(self.wsgi)
        except starting.WrongRedis as error:
            self.log.error("rtapp: %s", error)
            if self.age == 1:
                sys.exit(Arbiter.WORKER_BOOT_ERROR)
