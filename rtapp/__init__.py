"""rtapp: a live customer-support inbox over Server-Sent Events and plain HTTP."""

from datetime import timedelta
from functools import partial

from flask import Flask
from flask import Response
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from werkzeug.middleware.proxy_fix import ProxyFix

from . import actions
from . import auth
from . import cli
from . import errors
from . import extensions
from . import pages
from . import ratelimits
from . import streams
from .config import BODY_LIMIT
from .config import RESOURCES
from .config import Settings
from .events.announcements import Announcements
from .events.outbox import Relay
from .events.outbox import newest_published
from .events.rendering import Renderer
from .events.rendering import clock_time
from .events.rendering import day
from .events.rendering import initials
from .realtime.broker import Broker
from .realtime.embedded_redis import EmbeddedRedis
from .realtime.engine import Engine
from .reopener import Reopener
from .unread.notifier import UnreadNotifier
from .validation import IdConverter
from .validation import refuse_cut_body


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application, with everything bound and nothing started: see server.py for that.

    `settings` default to the environment's. Raises SettingsError.
    """
    settings = settings or Settings.from_environ()
    app = Flask(
        __name__,
        template_folder=str(RESOURCES / "templates"),
        static_folder=str(RESOURCES / "static"),
    )
    app.config.from_mapping(
        PRODUCTION=settings.production,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=settings.production,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=auth.SIGNED_IN_FOR),
        SESSION_REFRESH_EACH_REQUEST=False,  # the session's row ends then in any case
        SESSION_PROTECTION=None,  # the address of a phone changes while it stays signed in
        WTF_CSRF_CHECK_DEFAULT=False,  # auth.py decides which requests need a token
        WTF_CSRF_TIME_LIMIT=None,  # a page stays open all day
        STREAMS_PER_USER=settings.streams_per_user,
        STREAMS_PER_ADDRESS=settings.streams_per_address,
    )
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.url_map.converters["id"] = IdConverter
    app.jinja_env.filters.update(clock=clock_time, day=day, initials=initials)
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    extensions.db.init_app(app)
    extensions.migrate.init_app(app, extensions.db, directory=str(RESOURCES / "migrations"))
    extensions.login_manager.init_app(app)
    extensions.csrf.init_app(app)
    if settings.database_url.startswith("sqlite"):
        with app.app_context():
            event.listen(extensions.db.engine, "connect", prepare_sqlite)

    embedded = EmbeddedRedis(settings.instance / "redis")
    redis_url = settings.redis_url or embedded.url
    broker = Broker(redis_url, partial(newest_published, app))
    if settings.proxies:
        app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
            app.wsgi_app, x_for=settings.proxies, x_proto=settings.proxies
        )
    app.extensions["settings"] = settings
    app.extensions["embedded_redis"] = None if settings.redis_url else embedded
    app.extensions["broker"] = broker
    app.extensions["engine"] = Engine(
        broker,
        Renderer(app),
        partial(streams.authorise_again, app),
        Announcements(),
        UnreadNotifier(app),
    )
    app.extensions["relay"] = Relay(app, broker)
    app.extensions["reopener"] = Reopener(app)

    errors.init_app(app)
    app.before_request(refuse_cut_body)
    auth.init_app(app)
    ratelimits.init_app(app, settings, redis_url)
    app.after_request(add_security_headers)
    for blueprint in (streams.bp, actions.bp, *pages.BLUEPRINTS):
        app.register_blueprint(blueprint)
    for group in cli.GROUPS:
        app.cli.add_command(group)
    return app


def prepare_sqlite(connection: DBAPIConnection, record: object) -> None:
    """Let readers not wait for writers; writers wait for one another (https://sqlite.org/wal.html)."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=5000")
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def add_security_headers(response: Response) -> Response:
    """Allow a page our own files only, and no framing. Forbid caching: on going back, a browser
    would show the JSON that a script had fetched from the page's URL."""
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cache-Control", "no-store")
    if response.mimetype == "text/html":
        response.headers["Content-Security-Policy"] = (
            "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
        )
        response.headers["Referrer-Policy"] = "same-origin"
    return response
