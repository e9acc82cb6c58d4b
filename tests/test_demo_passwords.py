"""Production refuses to start on a database in which the demo's password signs somebody in."""

import hashlib
import os
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from click.testing import CliRunner
from flask_migrate import upgrade
from sqlalchemy import select
from sqlalchemy import text
from sqlalchemy import update
from werkzeug.security import check_password_hash
from werkzeug.security import generate_password_hash

from rtapp import create_app
from rtapp import seed
from rtapp.cli.password import set_password
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import User
from rtapp.passwords import DEMO_HASH
from rtapp.passwords import DEMO_PASSWORD
from rtapp.passwords import hashed

from .harness.app_process import CLEARED
from .harness.app_process import AppProcess

ROOT = Path(__file__).parents[1]
LIMIT = 300  # s for a process that refuses to start


@pytest.fixture
def demo(app):
    """The demo as it is made: the tests' own has passwords that are quick to check."""
    with app.app_context():
        for user in db.session.scalars(select(User)):
            user.set_password(DEMO_PASSWORD)
        db.session.commit()
        yield app


def test_the_demo_hash_is_the_demo_password_hashed_as_any_other():
    assert check_password_hash(DEMO_HASH, DEMO_PASSWORD)
    assert not check_password_hash(DEMO_HASH, "Password")
    method = generate_password_hash("x").partition("$")[0]
    assert DEMO_HASH.partition("$")[0] == method
    assert hashed("Password") != hashed("Password")


def test_the_refusal_names_the_users_and_the_command_and_costs_no_hash(demo, monkeypatch):
    monkeypatch.setattr(hashlib, "scrypt", None)
    with pytest.raises(seed.DemoPasswords) as refused:
        seed.refuse_demo_passwords()
    for part in ("ada@", "kevin@", "grace@", "flask --app app password set EMAIL"):
        assert part in str(refused.value)
    assert "others" not in str(refused.value)


def test_a_single_user_with_the_demo_password_is_refused_whatever_their_address(demo):
    for user in db.session.scalars(select(User)).all():
        user.set_password("correct horse")
    db.session.commit()
    seed.refuse_demo_passwords()
    user.email = "zoe@company.example"
    user.set_password(DEMO_PASSWORD)
    db.session.commit()
    with pytest.raises(seed.DemoPasswords, match=r"zoe@company\.example\."):
        seed.refuse_demo_passwords()


def test_the_command_sets_the_demo_password_in_development_only(demo):
    command = ["ada@example.com"]
    assert CliRunner().invoke(set_password, command, input=DEMO_PASSWORD).exit_code == 0
    demo.config["PRODUCTION"] = True
    refused = CliRunner().invoke(set_password, command, input=DEMO_PASSWORD)
    assert refused.exit_code == 1
    assert "must not be the demo's" in refused.output
    assert CliRunner().invoke(set_password, command, input="correct horse\n").exit_code == 0


def test_the_migration_finds_the_users_of_a_demo_that_an_older_version_made(tmp_path, redis):
    settings = Settings(
        instance=tmp_path,
        database_url=f"sqlite:///{tmp_path}/old.sqlite3",
        redis_url=redis.url,
        secret_key="for tests",
    )
    app = create_app(settings)
    insert = text(
        "INSERT INTO users (name, email, password_hash, stamp, created_at)"
        " VALUES ('U', :email, :hash, 's', '2026-01-01')"
    )
    with app.app_context():
        upgrade(revision="0006")
        own = generate_password_hash("correct horse")
        for email, hash in (
            ("ada@example.com", generate_password_hash(DEMO_PASSWORD)),
            ("kevin@example.com", own),
            ("zoe@company.example", own),
        ):
            db.session.execute(insert, {"email": email, "hash": hash})
        db.session.commit()
        upgrade()
        hashes = db.session.execute(select(User.email, User.password_hash)).all()
        assert dict(map(tuple, hashes)) == {
            "ada@example.com": DEMO_HASH,
            "kevin@example.com": own,
            "zoe@company.example": own,
        }
        with pytest.raises(seed.DemoPasswords, match=r"signs in ada@example\.com\."):
            seed.refuse_demo_passwords()
        db.session.remove()
        db.engine.dispose()
    app.extensions["broker"].redis.close()


def test_the_migration_has_the_hash_that_is_looked_for():
    sys.path.insert(0, str(ROOT))
    try:
        migration = import_module("migrations.versions.0007_repetitions")
    finally:
        sys.path.pop(0)
    assert migration.DEMO_HASH == DEMO_HASH


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("server", "code"),
    [(["app.py"], 1), (["-m", "gunicorn", "app:app"], 3)],
    ids=["python app.py", "gunicorn"],
)
def test_a_production_server_with_demo_passwords_exits_and_says_why(
    demo, database_url, redis, tmp_path, server, code
):
    db.session.remove()
    db.engine.dispose()
    environ = {k: v for k, v in os.environ.items() if not k.startswith(CLEARED)} | {
        "RTAPP_ENV": "production",
        "RTAPP_INSTANCE": str(tmp_path),
        "DATABASE_URL": database_url,
        "REDIS_URL": redis.url,
        "SECRET_KEY": "for tests of at least 32 characters",
        "PORT": "0",
    }
    ended = subprocess.run(
        [sys.executable, *server],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert ended.returncode == code, ended.stderr
    assert "rtapp: The demo's password signs in ada@example.com" in ended.stderr
    assert "password set EMAIL" in ended.stderr
    assert "is ready" not in ended.stdout


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_production_server_without_demo_passwords_starts(demo, database_url, redis, tmp_path):
    other = generate_password_hash("correct horse", "pbkdf2:sha256:1")
    db.session.execute(update(User).values(password_hash=other))
    db.session.commit()
    with AppProcess(
        tmp_path,
        RTAPP_ENV="production",
        DATABASE_URL=database_url,
        REDIS_URL=redis.url,
        SECRET_KEY="for tests of at least 32 characters",
    ) as server:
        assert "password" not in server.log.read_text()
