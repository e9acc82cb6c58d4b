"""The databases that tests run on, made once with the demo in them and then copied per test."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import func
from sqlalchemy import select
from sqlalchemy import text

from rtapp import create_app
from rtapp import seed
from rtapp.config import Settings
from rtapp.extensions import db
from rtapp.models import Account
from rtapp.models import Contact
from rtapp.models import Conversation
from rtapp.models import Inbox
from rtapp.models import InboxMember
from rtapp.models import Membership
from rtapp.models import Message
from rtapp.models import User

# For a test that is about something that no database has a say in.
one_database = pytest.mark.parametrize("database", ["sqlite"], indirect=True)

# The demo's conversations, in the order of rtapp/seed.py.
MARIA = 1  # of the first inbox, assigned to Kevin
TOM = 2  # of the first inbox, assigned to nobody
DANIEL = 7  # of the second inbox, which Grace answers
ELSEWHERE = len(seed.THREADS) + 1  # the other account's


def settings(database_url: str, instance: Path, **more: Any) -> Settings:
    return Settings(
        instance=instance,
        database_url=database_url,
        secret_key="a key for tests",
        **{"redis_url": None, **more},
    )


def prepare(database_url: str, instance: Path) -> None:
    """The schema by its migrations, the demo, and who else tests need."""
    app = create_app(settings(database_url, instance))
    with app.app_context():
        upgrade()
        seed.seed_if_empty()
        add_edsger()
        add_mallory()
    dispose(app)


def add_edsger() -> None:
    """An agent of the demo's account who sees only what is assigned to him: nothing so far.

    He is a member of an inbox, which must not make a difference.
    """
    edsger = User(name="Edsger", email="edsger@example.com")
    edsger.set_password(seed.PASSWORD)
    db.session.add(edsger)
    db.session.flush()
    db.session.add(Membership(account_id=1, user_id=edsger.id, sees="assigned"))
    db.session.add(InboxMember(inbox_id=1, user_id=edsger.id))
    db.session.commit()


def add_mallory() -> None:
    """The administrator of another account, with a conversation of their own."""
    account = Account(name="Elsewhere")
    mallory = User(name="Mallory", email="mallory@example.com")
    mallory.set_password(seed.PASSWORD)
    db.session.add_all([account, mallory])
    db.session.flush()
    inbox = Inbox(account_id=account.id, name="Elsewhere chat")
    contact = Contact(account_id=account.id, name="Somebody Else")
    membership = Membership(account_id=account.id, user_id=mallory.id, role="administrator")
    db.session.add_all([inbox, contact, membership])
    db.session.flush()
    conversation = Conversation(account_id=account.id, inbox_id=inbox.id, contact_id=contact.id)
    db.session.add(conversation)
    db.session.flush()
    assert conversation.id == ELSEWHERE
    conversation.last_message = Message(
        account_id=account.id,
        conversation_id=conversation.id,
        contact=contact,
        message_type="incoming",
        content="Hello from elsewhere",
    )
    db.session.commit()


def dispose(app: Flask) -> None:
    with app.app_context():
        db.session.remove()
        db.engine.dispose()


def counts(app: Flask) -> dict[str, int]:
    """How many rows each table has, the outbox's too."""
    with app.app_context():
        return {
            name: db.session.scalar(select(func.count()).select_from(table))
            for name, table in db.metadata.tables.items()
        }


class Postgres:
    """A private PostgreSQL server and a template that databases are copied from."""

    def __init__(self, folder: Path):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its packages complain of the environment
            import pgserver

            self._server = pgserver.get_server(folder / "postgres")
        self._folder = folder
        self._count = 0
        self.psql("ALTER SYSTEM SET fsync = off")
        self.psql("SELECT pg_reload_conf()")
        self.psql("CREATE DATABASE template_rtapp")
        prepare(self.url("template_rtapp"), folder)

    def psql(self, command: str) -> None:
        self._server.psql(command)

    def url(self, name: str) -> str:
        # A socket in a folder, which SQLAlchemy takes as a parameter.
        return f"postgresql+psycopg://postgres@/{name}?{urlencode({'host': self._host})}"

    @property
    def _host(self) -> str:
        return self._server.get_uri().partition("host=")[2]

    @contextmanager
    def copy(self) -> Iterator[str]:
        """The URL of a database of one's own."""
        self._count += 1
        name = f"copy_{self._count}"
        self.psql(f"CREATE DATABASE {name} TEMPLATE template_rtapp")
        try:
            yield self.url(name)
        finally:
            self.psql(f"DROP DATABASE {name} WITH (FORCE)")

    def stop(self) -> None:
        self._server.cleanup()


def execute(app: Flask, statement: str, **values: Any) -> None:
    """Changes something behind the application's back."""
    with app.app_context():
        db.session.execute(text(statement), values)
        db.session.commit()
