"""The database as a service that may be away: limits of every wait, a fair pool, errors in words.

Every wait for PostgreSQL has a limit here, and a connection that did not keep it is closed. SQLite
never waits inside its library, because that would block the event loop: a locked database is tried
again from here. `problem` turns the errors of both into a sentence and a status.
"""

import logging
import random
import select
import sqlite3
import time
from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from contextlib import contextmanager
from contextlib import suppress
from contextvars import ContextVar
from http import HTTPStatus
from typing import Any

import gevent
import psycopg
from flask import Flask
from flask import current_app
from flask import g
from flask import has_request_context
from gevent import monkey
from gevent.event import Event
from psycopg.errors import PipelineAborted
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection
from sqlalchemy import Engine
from sqlalchemy import create_engine
from sqlalchemy import event
from sqlalchemy import text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.exc import InvalidRequestError
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.pool import PoolProxiedConnection
from sqlalchemy.pool import QueuePool
from werkzeug.wrappers import Response as BaseResponse

from rtapp import database_clock
from rtapp import errors
from rtapp.database_clock import DATABASE_CLOCK
from rtapp.errors import Unavailable
from rtapp.extensions import db
from rtapp.realtime.backoff import CauseLimit
from rtapp.realtime.backoff import first_line
from rtapp.realtime.backoff import redis_is_away

WAIT_LIMIT = 3.0  # s for one statement, commit or connection
LOCK_LIMIT = 2.5  # s of that for which the server waits for a lock: it says so, and is used on
REQUEST_LIMIT = 4.0  # s that all waits of one request may take: it is answered within 5
PROBE_LIMIT = 0.7  # s for a probe, connection included: /readyz answers within a second
# A transaction that stays open without a statement holds its locks: its process is gone or stopped.
IDLE_IN_TRANSACTION_LIMIT = 30  # s
LOCK_POLL = (0.002, 0.05)  # s between two attempts at a locked SQLite: the first, and the longest

# gevent's poll would switch greenlets, even with a timeout of 0.
KernelPoll: Any = monkey.get_original("select", "poll")

logger = logging.getLogger(__name__)
_causes = CauseLimit()
_unlimited: ContextVar[bool] = ContextVar("unlimited", default=False)
_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)  # time.monotonic()


class DatabaseAway(Unavailable):
    """The database can't serve the request now."""

    def __init__(self, sentence: str):
        super().__init__(f"{sentence} Try again in some seconds.")
        self.sentence = sentence
        if sentence == DISK_FULL:
            self.status = HTTPStatus.INSUFFICIENT_STORAGE


# Limits


@contextmanager
def unlimited() -> Iterator[None]:
    """Wait without a limit inside the block: a migration may take long."""
    token = _unlimited.set(True)
    try:
        yield
    finally:
        _unlimited.reset(token)


@contextmanager
def probing() -> Iterator[Connection]:
    """A connection to ask how the database is: with less patience, and not of the pool, so that
    there is an answer within a second also when all others are taken."""
    token = _deadline.set(time.monotonic() + PROBE_LIMIT)
    try:
        engine: Engine = current_app.extensions["probing"]
        with engine.connect() as connection:
            yield connection
    finally:
        _deadline.reset(token)


def allowance() -> float | None:
    """Return the seconds that the next wait may take, None without a limit."""
    if _unlimited.get():
        return None
    limits = [WAIT_LIMIT]
    if has_request_context():
        limits.append(REQUEST_LIMIT - float(g.get("database_waited", 0.0)))
    if (deadline := _deadline.get()) is not None:
        limits.append(deadline - time.monotonic())
    return max(0.0, min(limits))


@contextmanager
def waiting() -> Iterator[float | None]:
    """Yield the allowance of one wait, and charge the request with what the wait took."""
    began = time.monotonic()
    try:
        yield allowance()
    finally:
        if has_request_context():
            g.database_waited = g.get("database_waited", 0.0) + time.monotonic() - began


class LimitedConnection(psycopg.Connection[Any]):
    """A connection whose every wait has a limit, also for a server that does not answer at all.

    https://www.psycopg.org/psycopg3/docs/advanced/async.html: all communication with the server
    is a generator that `wait` consumes.
    """

    def wait(self, gen: Any, *args: Any, **more: Any) -> Any:
        began = time.monotonic()
        with waiting() as limit:
            try:
                return super().wait(gen, *args, **more | {"timeout": limit})
            except BaseException as error:
                late = limit is not None and time.monotonic() - began >= limit
                unfinished = self.pgconn.transaction_status == TransactionStatus.ACTIVE
                if unfinished and (late or not isinstance(error, psycopg.Error)):
                    self.close()  # nothing can follow on this connection
                    with suppress(psycopg.Error):
                        gen.close()  # what a pipeline would still send fails here, not in the log
                raise


def connect_limited(dialect: object, record: object, args: Any, more: Any) -> LimitedConnection:
    """Connect within the allowance. Called by SQLAlchemy in place of `psycopg.connect`."""
    with waiting() as limit:
        timeout = gevent.Timeout(limit)
        try:
            with timeout:
                return LimitedConnection.connect(*args, **more)
        except gevent.Timeout as expired:
            if expired is not timeout:
                raise
            raise psycopg.OperationalError(
                f"no connection to the database within {limit:.1f} s"
            ) from None


def prepare_postgresql(connection: LimitedConnection, record: object) -> None:
    """Have the server end what is given up here, by SET, because PgBouncer refuses `options`. And
    know its time before anything is done by it."""
    connection.execute(
        f"SET statement_timeout = {int(WAIT_LIMIT * 1000)};"
        f"SET lock_timeout = {int(LOCK_LIMIT * 1000)};"
        f"SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION_LIMIT}s'"
    )
    DATABASE_CLOCK.follow(lambda: first_value(connection.execute(database_clock.QUERY)))
    connection.commit()


def first_value(cursor: psycopg.Cursor[Any]) -> float:
    return float(cursor.fetchall()[0][0])


def follow_clock() -> int:
    """Keep to PostgreSQL's clock: once a minute, and when this host's is set. Returns 0."""
    if db.engine.dialect.name == "postgresql" and DATABASE_CLOCK.is_due():
        with db.engine.connect() as connection:
            query = text(database_clock.QUERY)
            DATABASE_CLOCK.follow(lambda: float(connection.execute(query).scalar_one()))
    return 0


def refuse_dead(connection: LimitedConnection, record: ConnectionPoolEntry, proxy: object) -> None:
    """Drop an idle connection that the server has closed, before a statement is sent on it.

    Between statements a server sends nothing but the end, a notice or a changed setting. A look at
    the socket costs microseconds; a statement, as `pool_pre_ping` sends it, a round trip.
    """
    poll = KernelPoll()
    if not connection.closed:
        poll.register(connection.fileno(), select.POLLIN)
    if connection.closed or poll.poll(0):
        raise DisconnectionError("The server has closed this connection.")


def find_end(context: ExceptionContext) -> None:
    """Have SQLAlchemy drop a connection that the server has ended, or that can't be used again.

    psycopg takes it for a working one until it reads its end, and can't leave a pipeline on it.
    https://www.postgresql.org/docs/current/protocol-error-fields.html
    """
    error = context.original_exception
    if not isinstance(error, psycopg.OperationalError) or isinstance(error, PipelineAborted):
        return
    if error.sqlstate is None or error.diag.severity_nonlocalized in ("FATAL", "PANIC"):
        context.is_disconnect = True


# SQLite


def prepare_sqlite(connection: sqlite3.Connection, record: object) -> None:
    """Let readers not wait for writers; writers wait for one another (https://sqlite.org/wal.html)
    in `retry_locked`, not in the library."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA busy_timeout=0")
    patiently(lambda: cursor.execute("PRAGMA journal_mode=WAL"))
    cursor.execute("PRAGMA synchronous=FULL")  # what is acknowledged outlives a power failure
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def execute_patiently(cursor: Any, statement: str, parameters: Any, context: object) -> bool:
    patiently(lambda: cursor.execute(statement, parameters))
    return True  # SQLAlchemy does not execute it again


def executemany_patiently(cursor: Any, statement: str, parameters: Any, context: object) -> bool:
    patiently(lambda: cursor.executemany(statement, parameters))
    return True


def patiently(attempt: Callable[[], object]) -> None:
    """Try again for as long as SQLite is locked by another connection, within the allowance.

    A transaction's first change takes the lock, and a statement that did not get it has done
    nothing (https://sqlite.org/rescode.html#busy).
    """
    try:
        attempt()
        return
    except sqlite3.OperationalError as error:
        if not is_locked(error):
            raise
    with waiting() as limit:
        deadline = None if limit is None else time.monotonic() + limit
        delay, longest = LOCK_POLL
        while True:
            gevent.sleep(delay * random.uniform(0.5, 1.0))
            delay = min(delay * 2, longest)
            try:
                attempt()
                return
            except sqlite3.OperationalError as error:
                late = deadline is not None and time.monotonic() >= deadline
                if late or not is_locked(error):
                    raise


def is_locked(error: sqlite3.OperationalError) -> bool:
    """BUSY_SNAPSHOT, say, is another code: it does not pass while the transaction is open."""
    return error.sqlite_errorcode in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


# The pool


class Turns:
    """A number of slots, passed on in the order of asking: nobody gets in before the first."""

    def __init__(self, count: int):
        self._free = count
        self._waiting: deque[Event] = deque()

    def take(self, timeout: float | None) -> bool:
        """Wait for a slot. Return whether there was one within `timeout` seconds."""
        if self._free:
            self._free -= 1
            return True
        turn = Event()
        self._waiting.append(turn)
        try:
            turn.wait(timeout)
        except BaseException:
            if turn.is_set():
                self.give_back()
            else:
                self._waiting.remove(turn)
            raise
        if not turn.is_set():
            self._waiting.remove(turn)
        return turn.is_set()

    def give_back(self) -> None:
        if self._waiting:
            self._waiting.popleft().set()
        else:
            self._free += 1


class FairPool(QueuePool):
    """Connections go to requests in the order of asking, within the request's allowance.

    QueuePool wakes a waiting greenlet, and until that runs, another one may take the connection:
    in a storm some never get one.

    A connection that comes back after `dispose` is closed. QueuePool would keep it, though nobody
    gets it from there: `Engine.dispose` makes another pool.
    """

    def __init__(self, *args: Any, **more: Any):
        super().__init__(*args, **more)
        self._turns = Turns(self.size())
        self._disposed = False

    def dispose(self) -> None:
        self._disposed = True
        super().dispose()

    def connect(self) -> PoolProxiedConnection:
        try:
            return super().connect()
        except InvalidRequestError as error:  # after the new one is refused, too
            raise DisconnectionError("The server closes every connection.") from error

    def _do_get(self) -> ConnectionPoolEntry:
        with waiting() as limit:
            if not self._turns.take(limit):
                raise PoolTimeoutError("no free connection to the database")
        try:
            return super()._do_get()
        except BaseException:
            self._turns.give_back()
            raise

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        if self._disposed:
            record.close()
        super()._do_return_conn(record)
        self._turns.give_back()


# Errors

# The first that matches, by SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html).
POSTGRESQL = (
    ("53100", "The database's disk is full."),
    ("53", "The database has no room for another connection, or no memory."),
    ("57P", "The database is restarting, or shutting down."),
    ("57014", "The database took too long."),
    ("55P03", "The database took too long: something there is locked."),
    ("40", "The database had to end this change for the sake of another one."),
    ("25006", "The database can only be read: it is a standby."),
    ("25P03", "The database took too long."),
    ("28", "The database refuses to be signed in to."),
    ("3D", "The database does not exist on its server."),
    ("58", "The database can't read or write its files."),
    ("08", "The database does not answer."),
)
# By primary result code (https://sqlite.org/rescode.html).
SQLITE = {
    sqlite3.SQLITE_BUSY: "The database is locked by another program.",
    sqlite3.SQLITE_LOCKED: "The database is locked by another program.",
    sqlite3.SQLITE_FULL: "The database's disk is full.",
    sqlite3.SQLITE_READONLY: "The database can only be read: its file is write-protected.",
    sqlite3.SQLITE_IOERR: "The database can't read or write its files.",
    sqlite3.SQLITE_CANTOPEN: "The database's file can't be opened.",
    sqlite3.SQLITE_CORRUPT: "The database's file is damaged.",
    sqlite3.SQLITE_NOTADB: "The database's file is damaged.",
}
DISK_FULL = POSTGRESQL[0][1]
NO_ANSWER = "The database does not answer."


def problem(error: BaseException) -> DatabaseAway | None:
    """Return the problem if the database's state is at fault, None if the statement is."""
    if isinstance(error, PoolTimeoutError):
        return DatabaseAway("The database has too much to do.")
    if isinstance(error, DisconnectionError):
        return DatabaseAway(NO_ANSWER)
    sentence = sentence_for(error.orig) if isinstance(error, DBAPIError) else None
    return DatabaseAway(sentence) if sentence is not None else None


def sentence_for(error: BaseException | None) -> str | None:
    if isinstance(error, sqlite3.Error):
        code = getattr(error, "sqlite_errorcode", None)
        return None if code is None else SQLITE.get(code & 0xFF)
    if not isinstance(error, psycopg.Error):
        return None
    if error.sqlstate is None:  # it is not the server's
        return NO_ANSWER if isinstance(error, psycopg.OperationalError) else None
    return next((text for code, text in POSTGRESQL if error.sqlstate.startswith(code)), None)


# The application


def init_app(app: Flask) -> None:
    """Bind `db` with limited connections. Needs SQLALCHEMY_DATABASE_URI and DATABASE_POOL."""
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = options(app.config["DATABASE_POOL"])
    db.init_app(app)
    with app.app_context():
        listen(db.engine)
        probing = create_engine(db.engine.url, **options(1))
    listen(probing)
    app.extensions["probing"] = probing
    app.register_error_handler(SQLAlchemyError, answer)
    # Not a line for each connection that is replaced: the outage is logged once.
    logging.getLogger(f"{__name__}.{FairPool.__name__}").setLevel(logging.WARNING)


def options(connections: int) -> dict[str, Any]:
    """`create_engine`'s arguments. Parameters are hidden from errors, which are logged."""
    return {
        "poolclass": FairPool,
        "pool_size": connections,
        "max_overflow": 0,
        "hide_parameters": True,
    }


def listen(engine: Engine) -> None:
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", prepare_sqlite)
        event.listen(engine, "do_execute", execute_patiently)
        event.listen(engine, "do_executemany", executemany_patiently)
    else:
        event.listen(engine, "do_connect", connect_limited)
        event.listen(engine, "connect", prepare_postgresql)
        event.listen(engine, "checkout", refuse_dead)
        event.listen(engine, "handle_error", find_end)


def answer(error: SQLAlchemyError) -> BaseResponse:
    """The response for an error of the database; any other one is raised again."""
    found = problem(error)
    if found is None:
        raise error
    log(error, found.sentence)
    return errors.answer(found)


def log(error: BaseException, sentence: str) -> None:
    """Log an outage, once a minute and cause."""
    cause = first_line(error)
    if _causes.admits(cause):
        logger.warning("%s (%s)", sentence, cause)


def is_away(error: BaseException) -> bool:
    """Whether the database or Redis is away, so that trying again later makes sense."""
    return redis_is_away(error) or problem(error) is not None
