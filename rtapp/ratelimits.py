"""Rate limits, by Flask-Limiter with counters in Redis that all processes share.

While Redis is unavailable each process counts in its own memory: no POST fails, and a Redis that
hangs delays one of them by PATIENCE. Reads are not limited. Streams are limited by number.
"""

import hashlib
import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from typing import ParamSpec
from typing import TypeVar

from flask import Flask
from flask import current_app
from flask import request
from flask import session
from flask_limiter import Limiter
from flask_limiter import RateLimitExceeded
from limits import parse
from limits.storage import MemoryStorage
from limits.storage.redis import RedisStorage
from limits.strategies import FixedWindowRateLimiter
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.retry import Retry
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response

from rtapp import addresses
from rtapp import auth
from rtapp import errors
from rtapp.config import ACTIONS_PER_USER
from rtapp.config import ASKED_LINKS_PER_ADDRESS
from rtapp.config import ASKED_LINKS_PER_EMAIL
from rtapp.config import CODES_PER_USER
from rtapp.config import EXAMINATIONS_PER_USER
from rtapp.config import LINKS_PER_USER
from rtapp.config import MESSAGES_PER_ADDRESS
from rtapp.config import MESSAGES_PER_USER
from rtapp.config import MESSAGES_PER_VISITOR
from rtapp.config import MESSAGES_PER_WEBSITE
from rtapp.config import PASSWORDS_PER_USER
from rtapp.config import RENEWALS_PER_ADDRESS
from rtapp.config import SESSIONS_PER_ADDRESS
from rtapp.config import SESSIONS_PER_WEBSITE
from rtapp.config import SIGN_INS_PER_ADDRESS
from rtapp.config import SIGN_INS_PER_EMAIL
from rtapp.config import SIGN_INS_PER_EMAIL_AND_ADDRESS
from rtapp.config import TYPING_PER_USER
from rtapp.config import UPLOADS_PER_ADDRESS
from rtapp.config import UPLOADS_PER_USER
from rtapp.config import UPLOADS_PER_VISITOR
from rtapp.config import Settings
from rtapp.errors import TooManyRequests
from rtapp.events import presenters
from rtapp.models import Agent
from rtapp.models import CustomerIdentity
from rtapp.realtime.redis_address import RedisAddress
from rtapp.realtime.redis_client import connect
from rtapp.text import canonical_address

PATIENCE = 0.5  # s, the timeout of Redis for a request's counter
MAX_CONNECTIONS = 50  # counters under way at once; more wait for their turn
TYPING = "typing_counters"  # in app.extensions: None without limits
UNLIMITED = {"GET", "HEAD", "OPTIONS"}

P = ParamSpec("P")
R = TypeVar("R")


# Keys appear in Redis and in the log. They must not contain a token, session id or e-mail address.


def principal() -> str:
    user = auth.principal_if_any()
    return f"{presenters.kind(user)} {user.id}" if user is not None else address()


def address() -> str:
    return f"address {addresses.network()}"


def email() -> str:
    return hashlib.sha256(submitted_email().encode(errors="replace")).hexdigest()[:32]


def email_and_address() -> str:
    return f"{email()} {address()}"


def code_of() -> str:
    """Of the password too: a new one ends the limit that guesses with a stolen one have reached."""
    awaited = session.get("awaited")
    if not awaited:
        return f"codes of {principal()}"
    user_id, password_digest = awaited[:2]
    return f"codes of user {user_id} {password_digest}"


def submitted_email() -> str:
    """The e-mail address of the body, "" without one. Never raises: the view validates the body."""
    try:
        body = request.get_json(silent=True) if request.is_json else request.form
        text = body.get("email") if body is not None else ""
    except (HTTPException, AttributeError, RecursionError):
        return ""
    return canonical_address(text) if isinstance(text, str) else ""


limiter = Limiter(
    key_func=principal,
    default_limits=[ACTIONS_PER_USER],
    in_memory_fallback_enabled=True,
    swallow_errors=True,
)
limiter.request_filter(lambda: request.method in UNLIMITED)

# Decorators for a view, below its route. A view without one has the limit ACTIONS_PER_USER.
# Of several limits, those by a smaller unit of time are counted first, then the inner decorator's,
# until one refuses. The narrow limit stands first: what it refuses must not use up the limit that
# others share, or one client would lock them all out.
examinations = limiter.limit(EXAMINATIONS_PER_USER)
inviting = limiter.limit(LINKS_PER_USER)
own_password = limiter.limit(PASSWORDS_PER_USER)


def uploads(view: Callable[P, R]) -> Callable[P, R]:
    by_address = limiter.limit(UPLOADS_PER_ADDRESS, key_func=address, exempt_when=is_agent)
    return by_address(limiter.limit(uploads_of_sender)(view))


def uploads_of_sender() -> str:
    return UPLOADS_PER_USER if is_agent() else UPLOADS_PER_VISITOR


def is_agent() -> bool:
    return isinstance(auth.principal_if_any(), Agent)


def visitor() -> str:
    """Of a request with the token of a website's visitor."""
    found = visitor_if_any()
    assert found is not None
    return f"visitor {found.id}"


def website() -> str:
    """Of a request of a website's visitor: by their token's inbox, else by the key of the URL."""
    found = visitor_if_any()
    if found is not None:
        return f"inbox {found.inbox_id}"
    return f"website {(request.view_args or {}).get('key', '')[:32]}"


def visitor_if_any() -> CustomerIdentity | None:
    principal = auth.principal_if_any()
    if isinstance(principal, CustomerIdentity) and principal.inbox_id is not None:
        return principal
    return None


def no_visitor() -> bool:
    return visitor_if_any() is None


def shared(limit: str, key: Callable[[], str], exempt: Callable[[], bool] | None = None) -> Any:
    """A limit of all messages of visitors together, however they are sent."""
    return limiter.shared_limit(limit, scope="visitors' messages", key_func=key, exempt_when=exempt)


def messages(view: Callable[P, R]) -> Callable[P, R]:
    by_user = limiter.limit(MESSAGES_PER_USER)
    by_token = shared(MESSAGES_PER_VISITOR, visitor, no_visitor)
    by_address = shared(MESSAGES_PER_ADDRESS, address, no_visitor)
    by_inbox = shared(MESSAGES_PER_WEBSITE, website, no_visitor)
    limited: Callable[P, R] = by_inbox(by_address(by_token(by_user(view))))
    return limited


def visitor_form(view: Callable[P, R]) -> Callable[P, R]:
    """Of the form without scripts, whose visitor may have no token yet."""
    by_address = shared(MESSAGES_PER_ADDRESS, address)
    by_inbox = shared(MESSAGES_PER_WEBSITE, website)
    limited: Callable[P, R] = by_inbox(by_address(view))
    return limited


def sessions(view: Callable[P, R]) -> Callable[P, R]:
    return limiter.limit(RENEWALS_PER_ADDRESS, key_func=address)(view)


def new_sessions(start: Callable[P, R]) -> Callable[P, R]:
    """Of visitors who are nobody yet, by the chat or by the form without scripts. For the function
    that starts one, once the request is found good."""
    scope = "visitors' sessions"
    by_address = limiter.shared_limit(SESSIONS_PER_ADDRESS, scope=scope, key_func=address)
    by_inbox = limiter.shared_limit(SESSIONS_PER_WEBSITE, scope=scope, key_func=website)
    limited: Callable[P, R] = by_inbox(by_address(start))
    return limited


def typing(view: Callable[P, R]) -> Callable[P, R]:
    """Counted in this process's memory, without the extension: the requests are too frequent."""
    limit = parse(TYPING_PER_USER)

    @wraps(view)
    def counted(*args: P.args, **kwargs: P.kwargs) -> R:
        counters: FixedWindowRateLimiter | None = current_app.extensions[TYPING]
        if counters is not None and not counters.hit(limit, principal()):
            raise too_many(
                limit.get_expiry(), counters.get_window_stats(limit, principal()).reset_time
            )
        return view(*args, **kwargs)

    exempt: Callable[P, R] = limiter.exempt(counted)
    return exempt


def signing_in(view: Callable[P, R]) -> Callable[P, R]:
    by_address = limiter.limit(SIGN_INS_PER_ADDRESS, key_func=address)
    by_email = limiter.limit(SIGN_INS_PER_EMAIL, key_func=email)
    by_both = limiter.limit(SIGN_INS_PER_EMAIL_AND_ADDRESS, key_func=email_and_address)
    return by_address(by_email(by_both(view)))


def codes(view: Callable[P, R]) -> Callable[P, R]:
    return limiter.limit(CODES_PER_USER, key_func=code_of)(view)


def asking(view: Callable[P, R]) -> Callable[P, R]:
    by_address = limiter.limit(ASKED_LINKS_PER_ADDRESS, key_func=address)
    by_email = limiter.limit(ASKED_LINKS_PER_EMAIL, key_func=email)
    return by_address(by_email(view))


def give_back() -> None:
    """Take this request out of its counters: a right password is no guess.

    It was counted before the password was checked, because guesses that are sent at once would
    otherwise all pass. Never raises: without Redis, the counters stay as they are.
    """
    for counted in limiter.current_limits:
        storage = limiter.limiter.storage
        key, window = counted.key, counted.limit.get_expiry()
        try:
            if storage.incr(key, window, amount=-1) < 0:  # the window has ended meanwhile
                storage.incr(key, window, amount=1)
        except (RedisError, OSError):
            pass


def answer(error: RateLimitExceeded) -> Response:
    window = error.limit.limit.get_expiry()
    breached = limiter.current_limit
    assert breached is not None
    try:
        return errors.answer(too_many(window, breached.reset_at))
    except (RedisError, OSError):  # without Redis, the whole window is an upper bound
        return errors.answer(too_many(window, time.time() + window))


def too_many(window: int, reset_at: float) -> TooManyRequests:
    seconds = min(window, max(1, int(reset_at) - int(time.time())))
    return TooManyRequests(
        f"Too many requests of this kind; try again in {seconds} s.",
        headers={"Retry-After": str(seconds)},
    )


class CounterStorage(RedisStorage):
    """The counters of `limits` by our own client, for every kind of address. limits finds the class
    by the scheme of the storage's URL, "rtapp:"."""

    STORAGE_SCHEME = ["rtapp"]  # noqa: RUF012

    def __init__(self, uri: str, address: RedisAddress, **options: Any):
        super().__init__("redis://")  # a client that never connects
        self.storage = connect(
            address,
            timeout=PATIENCE,
            # One retry for a connection that a restart of Redis closed, none after a timeout.
            retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
            max_connections=MAX_CONNECTIONS,
        )
        self.initialize_storage(uri)


def init_app(app: Flask, settings: Settings, address: RedisAddress) -> None:
    app.config.from_mapping(
        RATELIMIT_ENABLED=settings.rate_limits,
        RATELIMIT_STORAGE_URI="rtapp:",
        RATELIMIT_STORAGE_OPTIONS={"address": address},
    )
    limiter.init_app(app)
    counters = FixedWindowRateLimiter(MemoryStorage()) if settings.rate_limits else None
    app.extensions[TYPING] = counters
    app.register_error_handler(RateLimitExceeded, answer)
