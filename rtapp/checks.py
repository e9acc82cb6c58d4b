"""The checks of `/readyz` and `/status`. Each returns a sentence about a fault, or None.

To add one, write a function and list it in SERVING or in LIVE. It runs in a greenlet and an
application context of its own; one that has not ended after LIMIT is a fault itself. Outsiders
can read the sentences of SERVING, so they name no address, version or user.
"""

import logging
from collections.abc import Callable
from collections.abc import Sequence

import gevent
from flask import Flask
from flask import current_app
from sqlalchemy.exc import SQLAlchemyError

from . import schema
from .database import problem
from .realtime.engine import Engine
from .storage import Storage
from .storage import StorageAway

LIMIT = 0.9  # s for all checks: an endpoint answers within a second

Check = Callable[[], str | None]

logger = logging.getLogger(__name__)


def draining() -> str | None:
    engine: Engine = current_app.extensions["engine"]
    return "This process is shutting down." if engine.draining else None


def database() -> str | None:
    try:
        return schema.mismatch()
    except SQLAlchemyError as error:
        if (away := problem(error)) is None:
            raise
        return away.sentence


def redis() -> str | None:
    engine: Engine = current_app.extensions["engine"]
    return engine.redis_problem()


def files() -> str | None:
    storage: Storage = current_app.extensions["storage"]
    try:
        storage.check(LIMIT)
    except StorageAway:
        return "The storage of files does not take them: no file can be sent or read."
    return None


# With one of these faults requests fail: a balancer sends them to another process.
SERVING: tuple[Check, ...] = (draining, database)
# With one of these faults most requests succeed. Without Redis streams are held, and nothing is
# live.
LIVE: tuple[Check, ...] = (redis, files)


def faults(checks: Sequence[Check]) -> dict[Check, str]:
    """Run the checks beside each other. Return those that found a fault, with its sentence."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    running = {check: gevent.spawn(fault, app, check) for check in checks}
    gevent.joinall(list(running.values()))
    return {check: ended.value for check, ended in running.items() if ended.value is not None}


def fault(app: Flask, check: Check) -> str | None:
    """Run one check, for at most LIMIT seconds."""
    try:
        with gevent.Timeout(LIMIT), app.app_context():
            return check()
    except gevent.Timeout:
        return f"The check of {check.__name__} did not end within {LIMIT:g} s."
    except Exception:
        logger.exception("The check of %s failed", check.__name__)
        return f"The check of {check.__name__} failed; the log has the reason."
