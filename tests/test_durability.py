"""What was answered 201 outlives a power failure."""

import pytest
from sqlalchemy import text

from rtapp.extensions import db

FULL = 2  # https://sqlite.org/pragma.html#pragma_synchronous


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_sqlite_syncs_its_log_before_a_commit_returns(app):
    with app.app_context():
        pragmas = [
            db.session.execute(text(f"PRAGMA {name}")).scalar_one()
            for name in ("synchronous", "journal_mode")
        ]
    assert pragmas == [FULL, "wal"]
