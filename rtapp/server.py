"""The embedded server: all that one process needs, started and stopped in order."""

import logging
import signal
import sys

import gevent
from flask import Flask
from flask_migrate import upgrade
from gevent.event import Event
from gevent.pool import Pool
from sqlalchemy.exc import SQLAlchemyError

from rtapp import database
from rtapp import first_run
from rtapp import schema
from rtapp import seed
from rtapp import starting
from rtapp.config import Settings
from rtapp.config import is_socket
from rtapp.events.relay import Relay
from rtapp.listener import BACKLOG
from rtapp.listener import cannot_listen
from rtapp.listener import listener
from rtapp.poller import Poller
from rtapp.push.sender import Sender
from rtapp.realtime.backoff import first_line
from rtapp.realtime.embedded_redis import EmbeddedRedis
from rtapp.realtime.embedded_redis import EmbeddedRedisError
from rtapp.realtime.engine import Engine
from rtapp.realtime.handoff import HandOffHandler
from rtapp.realtime.handoff import HandOffServer
from rtapp.realtime.limits import freeze_garbage_collector
from rtapp.realtime.limits import max_requests
from rtapp.realtime.limits import raise_descriptor_limit

ACCEPTED_PER_TURN = 12  # connections accepted before others get a turn: 0.8 ms of work each
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"
LOG_TIME = "%Y-%m-%dT%H:%M:%S%z"  # with the offset from UTC
RESTART_DELAY = 1.0  # s between two checks of the embedded Redis

logger = logging.getLogger(__name__)


class Handler(HandOffHandler):
    """Our hand-off, without the access log's line, which pywsgi formats even if there is no log."""

    def log_request(self) -> None:
        pass


def serve(app: Flask) -> None:
    """Serve until SIGTERM or SIGINT. Exits with a message if it can't."""
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, datefmt=LOG_TIME)
    settings: Settings = app.extensions["settings"]
    embedded: EmbeddedRedis | None = app.extensions["embedded_redis"]
    try:
        if embedded is not None:
            embedded.start()
        try:
            run(app, settings, embedded)
        finally:
            if embedded is not None:
                embedded.stop()
    except EmbeddedRedisError as error:
        sys.exit(f"rtapp: {error}")


def run(app: Flask, settings: Settings, embedded: EmbeddedRedis | None) -> None:
    prepare_database(app, settings)
    engine: Engine = app.extensions["engine"]
    relay: Relay = app.extensions["relay"]
    clock_keeper: Poller = app.extensions["clock_keeper"]
    reopener: Poller = app.extensions["reopener"]
    assigner: Poller = app.extensions["assigner"]
    pusher: Poller = app.extensions["pusher"]
    mailer: Poller = app.extensions["mailer"]
    use_writer: Poller = app.extensions["use_writer"]
    expirer: Poller = app.extensions["expirer"]
    remover: Poller = app.extensions["remover"]
    retainer: Poller = app.extensions["retainer"]
    sender: Sender = app.extensions["sender"]
    sender.load()
    raise_descriptor_limit()
    requests = Pool(max_requests())
    server = HandOffServer(
        listener(settings),
        app,
        handler_class=Handler,
        spawn=requests,
        log=None,
        backlog=None if is_socket(settings.host) else BACKLOG,
    )
    server.max_accept = ACCEPTED_PER_TURN
    try:
        server.start()
    except OSError as error:
        sys.exit(cannot_listen(settings, error))
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
    keeper = gevent.spawn(keep, embedded) if embedded is not None else None
    announce(app, settings, server)
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stopped.set)
    stopped.wait()
    if keeper is not None:
        keeper.kill()
    server.close()
    drain = gevent.spawn(engine.drain)  # beside the requests that are under way
    requests.join()
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


def prepare_database(app: Flask, settings: Settings) -> None:
    """Bring the tables up to date. Exits with a sentence if the database does not allow it."""
    try:
        with app.app_context(), database.unlimited():
            schema.refuse_newer()
            upgrade()
            if app.config["DEMO"]:
                seed.seed_if_empty()
            elif settings.production:
                seed.refuse_demo_passwords()
        starting.refuse_wrong_redis(app)
    except (schema.NewerSchema, seed.DemoPasswords, starting.WrongRedis) as error:
        sys.exit(f"rtapp: {error}")
    except SQLAlchemyError as error:
        if (away := database.problem(error)) is None:
            raise
        sys.exit(f"rtapp: {away.sentence} ({first_line(error)})")


def keep(embedded: EmbeddedRedis) -> None:
    """Restart the embedded Redis after it has been killed: its data is on disk."""
    while True:
        gevent.sleep(RESTART_DELAY)
        if embedded.ended():
            logger.error("The embedded redis-server has ended; starting it again")
            try:
                embedded.stop()
                embedded.start()
            except EmbeddedRedisError:
                logger.exception("The embedded redis-server did not start")


def announce(app: Flask, settings: Settings, server: HandOffServer) -> None:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    url = settings.host if is_socket(settings.host) else f"http://{host}:{server.server_port}"
    print(f"\n  rtapp is ready: {url}\n")
    with app.app_context():
        invitation = first_run.invitation(None if is_socket(settings.host) else url)
    if invitation is not None:
        print(f"  {invitation}\n")
    elif app.config["DEMO"]:
        print(f"  Sign in with the password {seed.PASSWORD!r} as")
        for person in seed.PEOPLE:
            print(f"    {person.email:20} {person.about}")
        if not is_socket(settings.host):
            print(f"  and write as a visitor: {url}/chat/{seed.KEY}")
        print()
    sys.stdout.flush()
