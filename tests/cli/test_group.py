"""What every command answers while the database is away, without tables, or given odd bytes."""

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from rtapp import create_app
from rtapp import schema
from rtapp.database import NO_ANSWER
from rtapp.extensions import db

from ..conftest import settings
from ..support import release

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

LINES = [
    "setup link", "setup create --account Lamps --name Zoe --email zoe@x.example", "account list",
    "account create Lamps --administrator ada@example.com", "account rename 1 Lamps", "user list",
    "user create zoe@x.example --name Zoe", "user disable ada@example.com", "inbox list",
    "inbox add 1 ada@example.com", "member list 1", "member set 1 ada@example.com --role agent",
    "invitation create 1", "password set ada@example.com", "password link ada@example.com",
    "outbox list", "second-factor remove ada@example.com", "token create ada@example.com",
]  # fmt: skip


@pytest.fixture
def on(tmp_path, redis):
    """Makes the application on a database; no server runs."""
    made = []

    def on(database_url: str):
        made.append(create_app(settings(tmp_path, database_url, redis.url)))
        return made[-1]

    yield on
    for app in made:
        release(app)


def refused(app, line: str | list[str]) -> str:
    words = line.split() if isinstance(line, str) else line
    done = app.test_cli_runner().invoke(args=words, input="correct horse\n" * 2)
    assert (done.exit_code, type(done.exception)) == (1, SystemExit), (line, done.output)
    return done.output


def test_without_tables_every_command_says_how_to_make_them(on, tmp_path):
    app = on(f"sqlite:///{tmp_path}/new.sqlite3")
    for line in LINES:
        assert refused(app, line).endswith(f"Error: {schema.EMPTY}\n"), line


@pytest.mark.parametrize(
    ("url", "sentence"),
    [("postgresql+psycopg://rtapp@127.0.0.1:1/rtapp", NO_ANSWER),
     ("sqlite:////proc/none/rtapp.sqlite3", "The database's file can't be opened.")],
)  # fmt: skip
def test_without_a_database_every_command_says_so(on, url, sentence):
    app = on(url)
    for line in LINES:
        expected = f"Error: {sentence} To check it: flask --app app doctor\n"
        assert refused(app, line).endswith(expected), line


@SQLITE
@pytest.mark.parametrize("words", [["user", "disable"], ["password", "set"], ["inbox", "add", "1"]])
def test_bytes_that_are_no_text_are_refused(app, words):
    assert "not valid UTF-8" in refused(app, [*words, "\udcff@x.example"])
    assert "no user with the address" in refused(app, [*words, "\u00ff@x.example"])


@SQLITE
def test_an_error_of_ours_keeps_its_traceback(app):
    with app.app_context():
        db.session.execute(text("ALTER TABLE accounts RENAME COLUMN name TO title"))
        db.session.commit()
    done = app.test_cli_runner().invoke(args=["account", "list"])
    assert isinstance(done.exception, OperationalError)
