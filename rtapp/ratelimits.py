"""How often one may ask: by Flask-Limiter, counted in Redis for all processes together.

While Redis is away each process counts in its own memory: a POST never fails because of it, and a
Redis that hangs costs one of them PATIENCE. Reads are not limited, streams by their number.
"""

import hashlib
import ipaddress
import time
from collections.abc import Callable
from typing import ParamSpec
from typing import TypeVar

from flask import Flask
from flask import request
from flask_limiter import Limiter
from flask_limiter import RateLimitExceeded
from flask_login import current_user
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from rtapp import errors
from rtapp.config import ACTIONS_PER_USER
from rtapp.config import MESSAGES_PER_USER
from rtapp.config import SIGN_INS_PER_ADDRESS
from rtapp.config import SIGN_INS_PER_EMAIL
from rtapp.config import SIGN_INS_PER_EMAIL_AND_ADDRESS
from rtapp.config import TYPING_PER_USER
from rtapp.config import Settings
from rtapp.errors import TooManyRequests
from rtapp.events import presenters
from rtapp.models import Principal

PATIENCE = 0.5  # s that a request waits for Redis to count it
UNLIMITED = {"GET", "HEAD", "OPTIONS"}

P = ParamSpec("P")
R = TypeVar("R")


# Keys stand in Redis and in the log: no token, no session id, no e-mail address in them.


def principal() -> str:
    who = current_user._get_current_object()
    return f"{presenters.kind(who)} {who.id}" if isinstance(who, Principal) else address()


def address() -> str:
    """The client's; of IPv6 the half that names a network, which has as many as it likes."""
    text = request.remote_addr or "unknown"
    try:
        parsed = ipaddress.ip_address(text)
    except ValueError:
        return f"address {text}"
    network = ipaddress.ip_network((parsed, 64 if parsed.version == 6 else 32), strict=False)
    return f"address {network}"


def email() -> str:
    return hashlib.sha256(asked_email().encode(errors="replace")).hexdigest()[:32]


def email_and_address() -> str:
    return f"{email()} {address()}"


def asked_email() -> str:
    """As the request has it, in whatever form. Never raises: the view says what is wrong."""
    try:
        body = request.get_json(silent=True) if request.is_json else request.form
        text = body.get("email") if body is not None else ""
    except (HTTPException, AttributeError, RecursionError):
        return ""
    return text.strip().lower() if isinstance(text, str) else ""


limiter = Limiter(
    key_func=principal,
    default_limits=[ACTIONS_PER_USER],
    in_memory_fallback_enabled=True,
    swallow_errors=True,
)
# Counts what is too frequent to ask Redis each time: in this process alone.
nearby = Limiter(key_func=principal, storage_uri="memory://", swallow_errors=True)

for each in (limiter, nearby):
    each.request_filter(lambda: request.method in UNLIMITED)

# Decorators for a view, below its route. A view that has none is limited as ACTIONS_PER_USER says.
messages = limiter.limit(MESSAGES_PER_USER)


def typing(view: Callable[P, R]) -> Callable[P, R]:
    return nearby.limit(TYPING_PER_USER)(limiter.exempt(view))


def signing_in(view: Callable[P, R]) -> Callable[P, R]:
    by_address = limiter.limit(SIGN_INS_PER_ADDRESS, key_func=address)
    by_email = limiter.limit(SIGN_INS_PER_EMAIL, key_func=email)
    by_both = limiter.limit(SIGN_INS_PER_EMAIL_AND_ADDRESS, key_func=email_and_address)
    return by_address(by_email(by_both(view)))


def answer(error: RateLimitExceeded) -> Response:
    seconds = error.limit.limit.get_expiry()
    breached = limiter.current_limit or nearby.current_limit
    assert breached is not None
    try:
        seconds = min(seconds, max(1, breached.reset_at - int(time.time())))
    except (RedisError, OSError):
        pass  # it went away since; the whole window is no lie
    return errors.answer(
        TooManyRequests(
            f"Too many requests of this kind; try again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )
    )


def init_app(app: Flask, settings: Settings, redis_url: str) -> None:
    app.config.from_mapping(
        RATELIMIT_ENABLED=settings.rate_limits,
        RATELIMIT_STORAGE_URI=redis_url.replace("unix://", "redis+unix://", 1),
        RATELIMIT_STORAGE_OPTIONS={
            "protocol": 2,
            "socket_timeout": PATIENCE,
            "socket_connect_timeout": PATIENCE,
            # Once more for a connection that a restarted Redis has cut, but not for silence.
            "retry": Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
        },
    )
    for each in (limiter, nearby):
        each.init_app(app)
    app.register_error_handler(RateLimitExceeded, answer)
