"""`flask --app app user …`"""

import pytest
from click.testing import CliRunner
from sqlalchemy import func
from sqlalchemy import select
from werkzeug.security import generate_password_hash

from rtapp import passwords
from rtapp.cli.user import user as commands
from rtapp.extensions import db
from rtapp.models import User

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

CREATE = ["create", "Zoe@lamps.example", "--name", "Zoe"]


@pytest.fixture
def run(app):
    def run(*words: str, input: str = "correct horse\n"):
        with app.app_context():
            return CliRunner().invoke(commands, words, input=input)

    return run


def users(app) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(User))


def test_a_user_is_made_once_with_a_password_from_standard_input(app, run):
    made = run(*CREATE)
    assert made.exit_code == 0, made.output
    assert "member add ACCOUNT zoe@lamps.example" in made.output
    assert "correct horse" not in made.output
    before = users(app)
    again = run(*CREATE, input="another horse\n")
    assert (again.exit_code, "already" in again.output) == (0, True)
    assert users(app) == before
    for password, status in (("correct horse", 200), ("another horse", 401)):
        fields = {"email": "ZOE@lamps.example", "password": password}
        assert app.test_client().post("/login", json=fields).status_code == status


def test_an_address_in_another_unicode_form_is_the_same_user(app, run):
    composed, decomposed = "zo\u00eb@lamps.example", "ZOE\u0308@lamps.example"
    assert run("create", decomposed, "--name", "Zoe").exit_code == 0
    assert "already" in run("create", composed, "--name", "Zoe").output
    for email in (composed, decomposed, f" {decomposed} "):
        fields = {"email": email, "password": "correct horse"}
        assert app.test_client().post("/login", json=fields).status_code == 200
    assert run("disable", decomposed).exit_code == 0


def test_a_password_in_another_unicode_form_is_the_same(app, run):
    composed, decomposed = "na\u00efve horse", "nai\u0308ve horse"
    sign_in = app.test_client().post
    for n, (first, second) in enumerate([(composed, decomposed), (decomposed, composed)]):
        email = f"zoe{n}@x.example"
        assert run("create", email, "--name", "Zoe", input=f"{first}\n").exit_code == 0
        for password in (first, second):
            fields = {"email": email, "password": password}
            assert sign_in("/login", json=fields).status_code == 200
        fields = {"email": email, "password": "naive horse"}
        assert sign_in("/login", json=fields).status_code == 401


def test_a_hash_of_the_decomposed_form_by_an_earlier_version_still_matches(database_url):
    decomposed = "nai\u0308ve horse"
    earlier = generate_password_hash(decomposed)
    assert passwords.matches(earlier, decomposed)
    assert not passwords.matches(earlier, "naive horse")


@pytest.mark.parametrize(
    ("words", "password", "error"),
    [(["zoe", "--name", "Zoe"], "correct horse", "The email must be an address"),
     (["z\u200be@x.example", "--name", "Zoe"], "correct horse", "invisible"),
     (["z@x.example", "--name", "\u200b"], "correct horse", "The name must not be empty"),
     (["z@x.example", "--name", "x" * 201], "correct horse", "at most 200 characters"),
     (["z@x.example", "--name", "Zoe"], "short", "8 to 1000 characters"),
     (["z@x.example", "--name", "Zoe"], "", "8 to 1000 characters")],
)  # fmt: skip
def test_what_a_page_would_refuse_is_refused_in_a_sentence(app, run, words, password, error):
    before = users(app)
    refused = run("create", *words, input=password)
    assert refused.exit_code == 1
    assert error in refused.output
    assert users(app) == before


def test_a_user_is_disabled_and_enabled_and_each_says_what_comes_next(app, run, kevin):
    done = run("disable", "Kevin@example.com")
    assert (done.exit_code, "user enable kevin@example.com" in done.output) == (0, True)
    assert kevin.get("/me").status_code == 401
    listed = run("list").output.splitlines()
    assert any("disabled 20" in line and "kevin@" in line for line in listed)
    assert run("disable", "kevin@example.com").exit_code == 0
    assert "can sign in again" in run("enable", "kevin@example.com").output
    assert "nothing was changed" in run("enable", "kevin@example.com").output


def test_the_last_administrator_is_refused_and_an_unknown_address_too(run, ada):
    refused = run("disable", "ada@example.com")
    assert (refused.exit_code, "last administrator" in refused.output) == (1, True)
    assert ada.get("/me").status_code == 200
    for word in ("disable", "enable"):
        assert "no user with the address" in run(word, "nobody@example.com").output
