"""The first run: while the database has no account, every page leads to `/setup`.

Setting up needs a code, so that no stranger takes a fresh server: the server prints a link that has
it. The code is made of SECRET_KEY, so all processes have the same one, and it is good for nothing
once there is an account.
"""

import hmac
from hashlib import sha256

from flask import Flask
from flask import Response
from flask import current_app
from flask import redirect
from flask import request
from flask import session
from flask import url_for
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.wrappers import Response as BaseResponse

from rtapp import database
from rtapp import static_files
from rtapp.config import Settings
from rtapp.errors import Unavailable
from rtapp.errors import wants_html
from rtapp.models import Account

CODE = b"rtapp.setup"  # what the key is applied to
ALLOWED = "may_set_up"  # in the session of a browser that has shown the code
SEEN = "account_seen"  # in app.extensions, once there is an account: none is ever deleted
# What answers without an account, too.
OPEN = {
    static_files.ENDPOINT,
    "openapi.describe",
    "service_worker.script",
    "widget.script",
    "doctor.seen",
    "streams.doctor_stream",
}
OPEN_BLUEPRINTS = {"health", "setup"}
ANY_ACCOUNT = select(Account.id).limit(1)


def is_needed() -> bool:
    """Whether the database has no account. Asks it until there is one, and then never again.

    Raises SQLAlchemyError, also for a database without tables.
    """
    if SEEN in current_app.extensions:
        return False
    with database.probing() as connection:
        found = connection.scalar(ANY_ACCOUNT) is not None
    if found:
        current_app.extensions[SEEN] = True
    return not found


def code() -> str:
    return hmac.new(current_app.config["SECRET_KEY"].encode(), CODE, sha256).hexdigest()[:32]


def is_code(text: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(text.encode(errors="replace"), code().encode())


def link(base_url: str | None = None) -> str:
    """The link to the first page, with its code."""
    settings: Settings = current_app.extensions["settings"]
    return f"{settings.url or base_url or settings.base_url}/setup?code={code()}"


def invitation(base_url: str | None = None) -> str | None:
    """What a server prints at its start: None unless setting up is needed, as far as is known."""
    try:
        needed = is_needed()
    except SQLAlchemyError:  # it is away, or has no tables: the start has its own words for that
        return None
    return f"Nobody can sign in yet. Set rtapp up: {link(base_url)}" if needed else None


def allow() -> None:
    """Note in this browser's session that it has shown the code."""
    session[ALLOWED] = True


def is_allowed() -> bool:
    return session.get(ALLOWED) is True


def lead_to_setup() -> BaseResponse | None:
    """The answer to any request while setting up is needed, else None. If the database does not
    answer, the request goes on and finds that by itself."""
    if SEEN in current_app.extensions or request.url_rule is None:
        return None
    if request.endpoint in OPEN or request.blueprint in OPEN_BLUEPRINTS:
        return None
    try:
        if not is_needed():
            return None
    except SQLAlchemyError:
        return None
    if wants_html():
        response: Response = redirect(url_for("setup.page"), 303)  # type: ignore[assignment]
        return response
    raise Unavailable(
        "rtapp is not set up yet. Open the link that it printed at its start; "
        "`flask --app app setup link` prints it again."
    )


def init_app(app: Flask) -> None:
    app.before_request(lead_to_setup)
