"""The text of a database error has no value of a row, on both databases."""

import traceback

import pytest
from sqlalchemy import event
from sqlalchemy import text
from sqlalchemy.engine import Engine
from sqlalchemy.exc import DBAPIError

from rtapp import sql_errors
from rtapp.extensions import db

SECRET = "s3cr3t-of-a-row"
INSERT = "INSERT INTO users (id, name, email, password_hash) VALUES (:id, :name, :email, :password)"
STATEMENTS = {
    "a duplicate key": (INSERT, {"id": 901, "name": "x", "email": SECRET, "password": SECRET}),
    "a missing value": (INSERT, {"id": 902, "name": None, "email": SECRET, "password": SECRET}),
    "an unknown table": ("SELECT :secret FROM nothing", {"secret": SECRET}),
}  # fmt: skip


def failure(app, statement: str, given: dict[str, object]) -> str:
    """Execute the statement twice. Return the traceback of its error, as a log has it."""
    with app.app_context():
        try:
            for id in (901, 902):
                db.session.execute(
                    text(statement), {**given, **({"id": id} if "id" in given else {})}
                )
        except DBAPIError:
            return traceback.format_exc()
        finally:
            db.session.rollback()
    raise AssertionError("the statement did not fail")


@pytest.mark.parametrize("kind", STATEMENTS)
def test_the_traceback_of_a_failed_statement_has_its_cause_and_no_value(app, kind):
    found = failure(app, *STATEMENTS[kind])
    assert SECRET not in found
    assert "SQL parameters hidden" in found
    assert any(word in found for word in ("users", "nothing"))  # what failed is named


@pytest.mark.parametrize("kind", ["a duplicate key", "a missing value"])
@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_postgresql_quotes_values_where_errors_are_not_shortened(app, kind):
    event.remove(Engine, "handle_error", sql_errors.shorten)
    try:
        assert SECRET in failure(app, *STATEMENTS[kind])
    finally:
        sql_errors.init_app()
