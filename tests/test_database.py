"""The limits of waits for the database, its pool, and its errors as sentences."""

import gc
import sqlite3
import time
from collections.abc import Callable
from contextlib import ExitStack
from contextlib import closing

import gevent
import psycopg
import pytest
from gevent.event import Event
from greenlet import settrace
from sqlalchemy import create_engine
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import IntegrityError
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from rtapp import database
from rtapp.database import FairPool
from rtapp.database import LimitedConnection
from rtapp.database import Turns
from rtapp.extensions import db

only_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def wrapped(error: Exception) -> DBAPIError:
    return DBAPIError("SELECT 1", {}, error)


# Errors


@pytest.mark.parametrize("code", ["53300", "57P01", "57P03", "57014", "25006", "40P01", "08006"])
def test_a_state_of_postgresql_is_answered_with_503_and_a_retry_after(code):
    problem = database.problem(wrapped(psycopg.errors.lookup(code)("x")))
    assert problem.status == 503
    assert int(problem.headers["Retry-After"]) > 0
    assert problem.detail.startswith("The database ")


def test_a_full_disk_is_answered_with_507_on_both_databases():
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    for error in (psycopg.errors.DiskFull("x"), full):
        assert database.problem(wrapped(error)).status == 507


@pytest.mark.parametrize(
    "error",
    [
        psycopg.errors.UniqueViolation("x"),
        psycopg.errors.SyntaxError("x"),
        psycopg.errors.UndefinedColumn("x"),
        sqlite3.IntegrityError("x"),
        ValueError("x"),
    ],
)
def test_an_error_of_a_statement_is_no_state_of_the_database(error):
    assert database.problem(wrapped(error)) is None
    assert database.problem(error) is None


def test_an_error_names_no_parameter_of_its_statement(app):
    with app.app_context(), pytest.raises(DBAPIError) as failed:
        db.session.execute(text("SELECT * FROM nothing WHERE x = :x"), {"x": "hunter2"})
    assert "hunter2" not in str(failed.value)
    assert "nothing" in str(failed.value)


@only_postgres
def test_after_a_violated_constraint_the_connection_is_used_on(app):
    app.extensions["relay"].stop()  # its sweep would use another one
    with app.app_context():
        backend = db.session.scalar(text("SELECT pg_backend_pid()"))
        with pytest.raises(IntegrityError):
            db.session.execute(text("INSERT INTO accounts (id, name) VALUES (1, 'again')"))
        db.session.rollback()
        assert db.session.scalar(text("SELECT pg_backend_pid()")) == backend


# Limits


@only_postgres
def test_a_lock_that_another_transaction_keeps_is_given_up_by_the_server(app, monkeypatch):
    """The answer says what is the matter, and the connection is used on."""
    monkeypatch.setattr(database, "LOCK_LIMIT", 0.2)
    app.extensions["relay"].stop()
    lock = text("SELECT id FROM accounts WHERE id = 1 FOR UPDATE")
    with app.app_context():
        db.engine.dispose()  # the limit is set for new connections
        with db.engine.connect() as other:
            db.session.execute(lock)
            with pytest.raises(OperationalError) as failed:
                other.execute(lock)
            assert "something there is locked" in database.problem(failed.value).detail
            other.rollback()
            db.session.rollback()
            assert other.execute(lock).scalar() == 1


@only_postgres
def test_a_statement_that_takes_too_long_is_given_up_here_and_ended_there(app, monkeypatch):
    monkeypatch.setattr(database, "WAIT_LIMIT", 0.3)
    with app.app_context():
        db.engine.dispose()  # the server's own limit is set for new connections
        with pytest.raises(OperationalError) as failed:
            db.session.execute(text("SELECT pg_sleep(600)"))
        db.session.rollback()
        assert database.problem(failed.value).status == 503
        running = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'SELECT pg_sleep%'"
        deadline = time.monotonic() + 60
        while db.session.scalar(text(running)):
            assert time.monotonic() < deadline, "the server still runs the statement"
            db.session.rollback()


@only_postgres
def test_inside_unlimited_a_statement_takes_as_long_as_it_takes(app, monkeypatch):
    with app.app_context():
        db.session.execute(text("SELECT 1"))  # connected with the ordinary limit
        monkeypatch.setattr(database, "WAIT_LIMIT", 0.01)
        with database.unlimited():
            db.session.execute(text("SELECT pg_sleep(0.3)"))


@only_postgres
def test_a_pipeline_that_is_given_up_leaves_nothing_that_fails_in_the_log(app, monkeypatch):
    with app.app_context():
        pooled = db.engine.raw_connection()
        connection = pooled.driver_connection
        pipeline = ExitStack()
        pipeline.enter_context(connection.pipeline())
        connection.execute("SELECT pg_sleep(600)")
        monkeypatch.setattr(database, "WAIT_LIMIT", 0.0)  # none left for what ends the pipeline
        with pytest.raises(psycopg.OperationalError):
            pipeline.close()
        assert connection.closed
        pooled.invalidate()


@only_postgres
@pytest.mark.parametrize(
    ("error", "ended"),
    [
        (psycopg.OperationalError("cannot exit pipeline mode while busy"), True),
        ("SELECT pg_terminate_backend(pg_backend_pid())", True),
        (psycopg.errors.PipelineAborted("pipeline aborted"), False),
        ("SET statement_timeout = 1; SELECT pg_sleep(600)", False),
    ],
)
def test_a_connection_is_used_again_only_if_it_can_be(app, monkeypatch, error, ended):
    """psycopg takes one that the server has ended for a working one until it reads its end."""
    if isinstance(error, str):
        with (
            psycopg.connect(plain(app)) as other,
            pytest.raises(psycopg.OperationalError) as failed,
        ):
            other.execute(error)
        error = failed.value

    def fail(cursor, *args):
        raise error

    with app.app_context():
        backend = db.session.scalar(text("SELECT pg_backend_pid()"))
        monkeypatch.setattr(psycopg.Cursor, "execute", fail)
        with pytest.raises(DBAPIError):
            db.session.execute(text("SELECT 1"))
        monkeypatch.undo()
        db.session.rollback()
        assert (db.session.scalar(text("SELECT pg_backend_pid()")) != backend) is ended


def test_all_waits_of_a_request_together_have_a_limit(app, monkeypatch):
    with app.test_request_context():
        monkeypatch.setattr(database, "WAIT_LIMIT", database.REQUEST_LIMIT / 2)
        assert database.allowance() == database.WAIT_LIMIT
        monkeypatch.setattr(database, "WAIT_LIMIT", database.REQUEST_LIMIT * 2)
        with database.waiting() as first:
            gevent.sleep(0.05)
        assert first == database.REQUEST_LIMIT
        assert database.allowance() <= database.REQUEST_LIMIT - 0.05
        monkeypatch.setattr(database, "REQUEST_LIMIT", 0.01)
        assert database.allowance() == 0


@only_postgres
def test_a_connection_that_the_server_has_closed_is_replaced_before_it_is_used(app):
    with app.app_context():
        backend = db.session.scalar(text("SELECT pg_backend_pid()"))
        db.session.rollback()
        db.session.remove()
        with psycopg.connect(plain(app), autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 60000)", [backend])
        assert db.session.scalar(text("SELECT pg_backend_pid()")) != backend


def plain(app) -> str:
    return app.config["SQLALCHEMY_DATABASE_URI"].replace("+psycopg", "")


# SQLite


@only_sqlite
def test_a_change_waits_for_a_lock_of_another_connection_and_lets_others_go_on(app):
    path = db_path(app)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, app.app_context():
        other.execute("BEGIN IMMEDIATE")
        turns = []

        def unlock() -> None:
            for _ in range(5):
                gevent.sleep(0.01)
                turns.append("a turn")
            other.execute("COMMIT")

        unlocking = gevent.spawn(unlock)
        db.session.execute(text("UPDATE accounts SET name = 'changed'"))
        db.session.commit()
        unlocking.get()
        assert len(turns) == 5
        assert db.session.scalar(text("SELECT name FROM accounts")) == "changed"


@only_sqlite
def test_a_lock_that_stays_is_given_up_with_nothing_changed(app, monkeypatch):
    monkeypatch.setattr(database, "WAIT_LIMIT", 0.05)
    with closing(sqlite3.connect(db_path(app), isolation_level=None)) as other, app.app_context():
        before = db.session.scalar(text("SELECT name FROM accounts"))
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError) as failed:
            db.session.execute(text("UPDATE accounts SET name = 'changed'"))
        db.session.rollback()
        assert "locked" in database.problem(failed.value).detail
        other.execute("ROLLBACK")
        assert db.session.scalar(text("SELECT name FROM accounts")) == before


def db_path(app) -> str:
    return app.config["SQLALCHEMY_DATABASE_URI"].removeprefix("sqlite:///")


# The pool


def order_of_a_pool(pool_class) -> list[str]:
    """One connection: `first` gives it back while `second` waits, and asks again at once."""
    engine = create_engine("sqlite://", poolclass=pool_class, pool_size=1, max_overflow=0)
    got: list[str] = []
    asked = Event()

    def second() -> None:
        asked.set()
        with engine.connect():
            got.append("second")

    with engine.connect():
        waiting = gevent.spawn(second)
        asked.wait()
        gevent.sleep(0)
    with engine.connect():
        got.append("first again")
    waiting.get()
    engine.dispose()
    return got


def test_a_connection_goes_to_the_request_that_waited_for_it():
    assert order_of_a_pool(FairPool) == ["second", "first again"]


def test_the_order_of_an_ordinary_pool_is_not_fair():
    assert order_of_a_pool(QueuePool) == ["first again", "second"]


def test_a_turn_that_is_not_waited_for_is_passed_on():
    turns = Turns(1)
    assert turns.take(0)
    assert not turns.take(0.001), "a second slot where there is one"
    late = gevent.spawn(turns.take, 60)
    killed = gevent.spawn(turns.take, 60)
    gevent.sleep(0)
    late.kill()
    turns.give_back()
    assert killed.get()
    turns.give_back()
    assert turns.take(0)


# Connections that nobody has any more


@pytest.fixture
def abandoned(monkeypatch) -> list[LimitedConnection]:
    """The connections that were collected while they were open."""
    found: list[LimitedConnection] = []

    def note(connection: LimitedConnection) -> None:
        if not connection.closed:
            found.append(connection)
            connection.close()

    monkeypatch.setattr(LimitedConnection, "__del__", note)
    return found


def killed_as_it_waits(work: Callable[[], None], times: int) -> bool:
    """Run `work` in a greenlet that is killed when it waits for the nth time. Return False if it
    was done before."""
    waits, working = 0, gevent.spawn(work)

    def count(event: str, switch: tuple[object, object]) -> None:
        nonlocal waits
        if switch[0] is working:
            waits += 1
            if waits == times:
                working.kill(block=False)

    settrace(count)
    try:
        working.join()
    finally:
        settrace(None)
    return isinstance(working.get(), gevent.GreenletExit)


def use(engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE accounts SET name = 'changed'"))


@only_postgres
@pytest.mark.parametrize("beside", [False, True], ids=["alone", "beside another"])
def test_whenever_a_greenlet_is_killed_its_connection_is_closed(app, abandoned, beside):
    """While it connects (beside another one that sets up the dialect), in a statement, a commit."""
    app.extensions["relay"].stop()
    times, killed = 0, True
    while killed:
        times += 1
        engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"], **database.options(2))
        database.listen(engine)
        first = gevent.spawn(engine.connect) if beside else None
        killed = killed_as_it_waits(lambda: use(engine), times)  # noqa: B023
        if first is not None:
            first.get().close()
        with engine.connect() as one, engine.connect() as two:  # both turns were given back
            assert one.scalar(text("SELECT 1")) == two.scalar(text("SELECT 1"))
        engine.dispose()
        gc.collect()
        assert abandoned == [], f"killed as it waited for the {times}th time"
    assert times > 5


@only_postgres
def test_a_connection_that_comes_back_to_a_pool_that_was_disposed_of_is_closed(app, abandoned):
    engine = create_engine(app.config["SQLALCHEMY_DATABASE_URI"], **database.options(1))
    database.listen(engine)
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        engine.dispose()
        assert not driver.closed
    assert driver.closed
    with engine.connect() as connection:
        kept = connection.connection.driver_connection
    assert not kept.closed, "the pool that is in use keeps its own"
    engine.dispose()
    gc.collect()
    assert abandoned == []
