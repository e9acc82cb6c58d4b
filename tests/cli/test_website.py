"""`flask --app app website …`."""

import shlex

import pytest

from rtapp.extensions import db
from rtapp.models import Website
from rtapp.website_secrets import secrets_of

from ..world import add_website
from ..world import all_rows

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def website(app):
    """Of the first inbox; the second one has none."""
    add_website(app)


@pytest.fixture
def run(app):
    def run(line: str, **more):
        return app.test_cli_runner().invoke(args=["website", *shlex.split(line)], **more)

    return run


def columns(run, inbox_id):
    rows = [line.split("\t") for line in run("list").output.splitlines()]
    return next((row for row in rows if row[0] == str(inbox_id)), None)


def test_a_chat_is_made_once_and_changed_where_it_is_named(run, app):
    made = run("create 2 --origin https://Shop.example --origin http://localhost:1 --greeting Hi")
    assert made.exit_code == 0, made.output
    assert "flask --app app website snippet 2" in made.output
    rows = all_rows(app)
    again = run("create 2 --accent '#000000'")
    assert again.exit_code == 0
    assert "Nothing was changed." in again.output
    assert all_rows(app) == rows
    expected = ["2", columns(run, 2)[1], "en", "#1d4ed8", "-"]
    assert columns(run, 2) == [*expected, "https://shop.example http://localhost:1"]
    assert f'data-inbox="{expected[1]}"' in run("snippet 2").output
    assert run("set 2 --language de --accent '#AABBCC'").exit_code == 0
    expected[2:4] = ["de", "#aabbcc"]
    assert columns(run, 2) == [*expected, "https://shop.example http://localhost:1"]
    with app.app_context():
        assert db.session.get_one(Website, 2).greeting == "Hi"
    assert run("set 2 --origin '' --greeting ''").exit_code == 0
    assert columns(run, 2) == [*expected, "-"]
    with app.app_context():
        assert db.session.get_one(Website, 2).greeting == ""


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("create 9", "There is no inbox 9."),
        ("create 99999999999999999999", "There is no inbox"),
        ("create 2 --origin https://shop.example/x", "leave out what follows"),
        ("create 2 --origin '*'", "wildcard"),
        ("create 2 --accent red", "accent must be a colour like #1d4ed8"),
        ("create 2 --greeting ' '", "greeting must not be empty"),
        (f"create 2 --away {'x' * 501}", "away should have at most 500 characters"),
        ("set 1 --accent '#fff'", "accent must be a colour"),
        ("set 1 --origin http://shop.example", "only localhost may have http://"),
        ("set 2 --language de", "has no chat on websites: see website create"),
        ("snippet 2", "has no chat on websites"),
        ("secret 2", "has no chat on websites"),
        ("secret 1 --remove 12345678", "There is no secret 12345678: see website list."),
        ("secret 9", "There is no inbox 9."),
    ],
)
def test_a_command_with_bad_input_changes_nothing(run, app, line, words):
    before = all_rows(app)
    answer = run(line)
    assert answer.exit_code == 1
    assert words in answer.output
    assert all_rows(app) == before


def test_a_secret_is_printed_alone_and_two_are_the_most(run, app):
    printed = [run("secret 1").output.strip() for _ in range(2)]
    with app.app_context():
        assert secrets_of(db.session.get_one(Website, 1)) == printed
    third = run("secret 1")
    assert third.exit_code == 1
    assert "there are two already" in third.output
    old, new = columns(run, 1)[4].split()
    assert run(f"secret 1 --remove {old}").exit_code == 0
    assert columns(run, 1)[4] == new
    assert not any(text in run("list").output for text in printed)


def test_a_chat_is_removed_after_a_question(run, app):
    before = all_rows(app)
    assert run("remove 1", input="n\n").exit_code == 1
    assert all_rows(app) == before
    assert run("remove 1", input="y\n").exit_code == 0
    assert columns(run, 1) is None
    again = run("remove 1 --yes")
    assert again.exit_code == 0
    assert "Nothing was changed." in again.output
