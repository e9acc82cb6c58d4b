"""The migration that folds the texts of an older version, on both databases."""

import pytest
from flask_migrate import downgrade
from flask_migrate import upgrade
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text

from rtapp.extensions import db
from rtapp.models import Contact
from rtapp.models import Message

ROWS = 2_345  # more than two batches
INSERT = text(
    "INSERT INTO messages (account_id, conversation_id, user_id, message_type, private, content,"
    " deleted, created_at, updated_at, version)"
    " VALUES (1, 2, 1, 'outgoing', :no, :content, :no, :now, :now, 1)"
)


@pytest.fixture
def older(app):
    """The application's context on a database of the version before, with many messages."""
    with app.app_context():
        now = db.session.scalar(select(Message.created_at))
        db.session.remove()  # an open transaction would lock the tables
        downgrade(revision="0007")
        rows = [{"content": f"Größe {n}", "no": False, "now": now} for n in range(ROWS)]
        db.session.execute(INSERT, rows)
        db.session.execute(text("UPDATE contacts SET name = 'Jürgen', email = NULL WHERE id = 1"))
        db.session.commit()
        db.session.remove()
        yield app
        db.session.remove()
        upgrade()


def folded_texts(pattern):
    query = select(func.count()).where(Message.folded.like(pattern))
    return db.session.scalar(query)


def test_the_upgrade_folds_every_row_in_batches_and_reports_its_progress(older, capsys):
    upgrade()
    assert folded_texts("grosse %") == ROWS
    assert db.session.scalar(select(func.count()).where(Message.folded.is_(None))) == 0
    contacts = db.session.scalars(select(Contact.folded).order_by(Contact.id)).all()
    assert contacts[:2] == ["jurgen", "tom okafor tom.okafor@example.com"]
    progress = [line for line in capsys.readouterr().err.splitlines() if "folded" in line]
    assert progress == ["messages: 1000 rows folded", "messages: 2000 rows folded"]


def test_an_upgrade_that_was_interrupted_goes_on_with_the_rows_that_are_left(older):
    upgrade(revision="0008")
    db.session.execute(text("UPDATE messages SET folded = 'done before' WHERE id <= 3"))
    db.session.execute(text("UPDATE messages SET folded = NULL WHERE id > 3"))
    db.session.execute(text("UPDATE alembic_version SET version_num = '0007'"))
    db.session.commit()
    assert folded_texts("grosse %") == 0
    db.session.remove()
    upgrade(revision="0008")
    assert folded_texts("grosse %") == ROWS
    assert folded_texts("done before") == 3


def test_the_version_before_can_be_gone_back_to_and_upgraded_again(older):
    upgrade()
    downgrade(revision="0007")
    names = {"folded"} & {c["name"] for c in db.inspect(db.engine).get_columns("messages")}
    assert names == set()
    upgrade()
    assert folded_texts("grosse %") == ROWS
