"""The clocks of this machine, of the database and of Redis agree.

Cursors are times of Redis. rtapp goes by the time of the database on all machines, and compares it
with those of users' apps and of websites.
"""

from collections.abc import Callable

from flask import current_app
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from rtapp import database_clock
from rtapp.database_clock import REMEDY
from rtapp.extensions import db
from rtapp.realtime.broker import Broker

from .finding import Finding

UNEVEN = 2.0  # s: a warning
WRONG = 30.0  # s: a problem


def check() -> list[Finding]:
    return [
        compared("Redis", redis_ahead()),
        compared("the database", database_ahead()),
    ]


def redis_ahead() -> float | None:
    """The seconds by which the clock of Redis is ahead of ours; None without an answer."""
    broker: Broker = current_app.extensions["broker"].for_requests
    try:
        return seconds_ahead(lambda: broker.now_ms() / 1000)
    except (RedisError, OSError):
        return None


def database_ahead() -> float | None:
    """Likewise for the database. SQLite has the clock of this machine."""
    try:
        with db.engine.connect() as connection:
            if connection.dialect.name == "sqlite":
                return 0.0
            query = text(database_clock.QUERY)
            return seconds_ahead(lambda: float(connection.execute(query).scalar_one()))
    except SQLAlchemyError:
        return None


def seconds_ahead(read: Callable[[], float]) -> float:
    return database_clock.measure(read).ahead.total_seconds()


def compared(other: str, ahead: float | None) -> Finding:
    name = f"clock of {other}"
    if ahead is None:
        return Finding(name, "problem", f"The clock of {other} can't be read.", "See above.")
    if abs(ahead) < UNEVEN:
        return Finding(name, "ok", f"The clocks of this machine and of {other} agree.")
    direction = "ahead of" if ahead > 0 else "behind"
    sentence = f"The clock of {other} is {duration(abs(ahead))} {direction} this machine's."
    return Finding(name, "problem" if abs(ahead) >= WRONG else "warning", sentence, REMEDY)


def duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} minutes"
