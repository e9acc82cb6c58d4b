"""rtapp: a live customer-support inbox over Server-Sent Events and plain HTTP."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from flask import Flask
from flask import Response
from flask import current_app
from flask import request
from werkzeug.middleware.proxy_fix import ProxyFix

from . import access_log
from . import actions
from . import auth
from . import cli
from . import clock
from . import cors
from . import database
from . import errors
from . import extensions
from . import first_run
from . import markup
from . import pages
from . import ratelimits
from . import sql_errors
from . import static_files
from . import streams
from . import vapid
from .actions.attachment import allow_file
from .config import BODY_LIMIT
from .config import RESOURCES
from .config import SIGNED_IN_FOR
from .config import Settings
from .events.announcements import Announcements
from .events.published import newest_published
from .events.relay import Relay
from .events.rendering import Renderer
from .events.rendering import clock_time
from .events.rendering import day
from .mail.sender import Sender as MailSender
from .models import Token
from .models import UserSession
from .poller import Poller
from .push.sender import Sender
from .realtime.broker import REQUEST_TIMEOUT
from .realtime.broker import Broker
from .realtime.embedded_redis import EmbeddedRedis
from .realtime.engine import Engine
from .realtime.redis_address import RedisAddress
from .realtime.redis_client import resolved
from .realtime.request_target import SERVER
from .services.assign_waiting import assign_waiting
from .services.change_tokens import end_expired_tokens
from .services.remove_attachments import remove_attachments
from .services.reopen_snoozed import reopen_snoozed
from .services.retention import remove_if_due
from .storage import Storage
from .text import bdi
from .text import closed
from .text import initials
from .text import isolated
from .text import moments
from .unread.notifier import UnreadNotifier
from .uses import Uses
from .validation import IdConverter
from .validation import StrictJson
from .validation import refuse_cut_body
from .validation import refuse_repeated_parts
from .validation import refuse_unknown_method

PAGE_POLICY = (
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
OTHER_POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
FILE_POLICY = f"{OTHER_POLICY}; sandbox"  # of what somebody else has made
VARY = ("Accept", "Authorization", "Cookie")
WORKER_POLICY = f"{OTHER_POLICY}; connect-src 'self'"  # it takes that of its script


class Application(Flask):
    """Flask, for views and hooks that are plain functions."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Flask asks of each function, for each request, whether it is a coroutine."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Return the application, with everything bound and nothing started: see server.py for that.

    `settings` default to the environment's. Raises SettingsError.
    """
    settings = settings or Settings.from_environ()
    app = Application(
        __name__,
        template_folder=str(RESOURCES / "templates"),
        static_folder=str(RESOURCES / "static"),
    )
    app.config.from_mapping(
        PRODUCTION=settings.production,
        DEMO=settings.demo and not settings.production,
        HSTS=settings.hsts,
        SECRET_KEY=settings.secret_key,
        SQLALCHEMY_DATABASE_URI=settings.database_url,
        DATABASE_POOL=settings.database_pool,
        MAX_CONTENT_LENGTH=BODY_LIMIT,
        MAX_FORM_MEMORY_SIZE=BODY_LIMIT,
        SESSION_COOKIE_NAME=auth.cookie_name(settings.production),
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SECURE=settings.production,
        PERMANENT_SESSION_LIFETIME=timedelta(seconds=SIGNED_IN_FOR),
        SESSION_REFRESH_EACH_REQUEST=False,  # the session's row ends then in any case
        SESSION_PROTECTION=None,  # the address of a phone changes while it stays signed in
        WTF_CSRF_CHECK_DEFAULT=False,  # auth.py decides which requests need a token
        WTF_CSRF_TIME_LIMIT=None,  # a page stays open all day
        STREAMS_PER_USER=settings.streams_per_user,
        STREAMS_PER_ADDRESS=settings.streams_per_address,
        VAPID_PUBLIC_KEY=vapid.public_key(key) if (key := settings.vapid_private_key) else None,
        SENDS_MAIL=settings.mail_server is not None,
        PUSH_ENDPOINT_HOSTS=settings.push_endpoint_hosts,
    )
    app.json = StrictJson(app)
    app.url_map.converters["id"] = IdConverter
    app.url_map.merge_slashes = False  # it redirects to the host that the request names
    app.jinja_env.filters.update(
        clock=clock_time,
        day=day,
        initials=initials,
        isolated=isolated,
        bdi=bdi,
        closed=closed,
        moments=moments,
        markup=markup.markup,
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True

    static_files.init_app(app)
    database.init_app(app)
    sql_errors.init_app()
    extensions.migrate.init_app(app, extensions.db, directory=str(RESOURCES / "migrations"))
    extensions.login_manager.init_app(app, add_context_processor=False)
    extensions.csrf.init_app(app)

    embedded = EmbeddedRedis(settings.instance / "redis")
    redis_url = settings.redis_url or embedded.url
    address = resolved(RedisAddress.parse(redis_url), REQUEST_TIMEOUT)
    broker = Broker(address, partial(newest_published, app))
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
        database.is_away,
        partial(streams.authorising, app),
    )
    app.extensions["relay"] = Relay(app, broker)
    app.extensions["clock_keeper"] = Poller(
        app, database.follow_clock, "The database's clock can't be read"
    )
    app.extensions["reopener"] = Poller(
        app, lambda: reopen_snoozed(clock.now()), "Snoozed conversations can't be opened"
    )
    app.extensions["assigner"] = Poller(
        app, assign_waiting, "Conversations can't be assigned automatically"
    )
    app.extensions["token_uses"] = Uses[int](Token)
    app.extensions["session_uses"] = Uses[str](UserSession)
    app.extensions["use_writer"] = Poller(
        app,
        lambda: app.extensions["token_uses"].write() + app.extensions["session_uses"].write(),
        "The last uses of tokens and sessions can't be written",
    )
    app.extensions["expirer"] = Poller(
        app, lambda: end_expired_tokens(clock.now()), "Expired tokens can't be ended"
    )
    app.extensions["storage"] = Storage(settings)
    app.extensions["remover"] = Poller(
        app, lambda: remove_attachments(clock.now()), "Files can't be removed from the storage"
    )
    app.extensions["retainer"] = Poller(
        app,
        lambda: remove_if_due(settings, clock.now()),
        "What is old can't be removed",
    )
    app.extensions["sender"] = Sender(app, settings)
    app.extensions["pusher"] = Poller(
        app, app.extensions["sender"].send_due, "Push notifications can't be sent"
    )
    app.extensions["mail_sender"] = MailSender(app, settings)
    app.extensions["mailer"] = Poller(
        app, app.extensions["mail_sender"].send_due, "Mails can't be sent"
    )

    access_log.init_app(app)
    errors.init_app(app)
    app.before_request(refuse_unknown_method)
    app.before_request(answer_for_the_server)
    app.before_request(allow_file)
    app.before_request(refuse_cut_body)
    app.before_request(refuse_repeated_parts)
    first_run.init_app(app)
    auth.init_app(app)
    cors.init_app(app)
    ratelimits.init_app(app, settings, address)
    app.after_request(add_security_headers)
    for blueprint in (streams.bp, actions.bp, *pages.BLUEPRINTS):
        app.register_blueprint(blueprint)
    for command in cli.COMMANDS:
        app.cli.add_command(command)
    return app


def answer_for_the_server() -> Response | None:
    """Answer `OPTIONS *`, "a 'ping' or 'no-op' type of method" (RFC 9110, section 9.3.7)."""
    is_for_the_server = request.method == "OPTIONS" and request.environ["PATH_INFO"] == SERVER
    return Response(status=HTTPStatus.NO_CONTENT) if is_for_the_server else None


def add_security_headers(response: Response) -> Response:
    """Allow a page our own files only, any other answer nothing, and no framing. Forbid caching: on
    going back, a browser would show the JSON that a script had fetched from the page's URL."""
    headers = response.headers
    headers.setdefault("X-Content-Type-Options", "nosniff")
    if "no-store" in headers.setdefault("Cache-Control", "no-store"):
        keep_from_shared_caches(response)
    headers.setdefault("Content-Security-Policy", policy_of(response))
    headers["Referrer-Policy"] = "same-origin"
    hsts = current_app.config["HSTS"]
    if hsts and current_app.config["PRODUCTION"] and request.is_secure:  # RFC 6797, section 7.2
        response.headers["Strict-Transport-Security"] = f"max-age={hsts}"
    return response


def policy_of(response: Response) -> str:
    if response.mimetype == "text/html":
        return PAGE_POLICY
    if request.blueprint == "attachment":
        return FILE_POLICY
    return WORKER_POLICY if request.endpoint == "service_worker.script" else OTHER_POLICY


def keep_from_shared_caches(response: Response) -> None:
    """Have no shared cache answer one user with the answer to another. Two headers are for caches
    that obey them in place of Cache-Control (RFC 9213, section 3; https://www.w3.org/TR/edge-arch),
    Vary is for those that store whatever they are forbidden."""
    response.headers["CDN-Cache-Control"] = response.headers["Surrogate-Control"] = "no-store"
    if "Vary" in response.headers:
        response.vary.update(VARY)
    else:
        response.headers["Vary"] = ", ".join(VARY)  # at a third of the cost
