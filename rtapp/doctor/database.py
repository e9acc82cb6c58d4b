"""The database answers, has the tables of this version, and room for all connections."""

import os

from flask import current_app
from sqlalchemy import Connection
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from rtapp import database
from rtapp import schema
from rtapp.config import Settings
from rtapp.extensions import db

from .finding import Finding

NAMES = {"postgresql": "PostgreSQL", "sqlite": "SQLite"}


def check() -> list[Finding]:
    try:
        with db.engine.connect() as connection:
            found = [described(connection), *room(connection)]
        return [*found, migrations()]
    except SQLAlchemyError as error:
        away = database.problem(error)
        sentence = away.sentence if away is not None else "The database refuses a query."
        return [Finding("database", "problem", sentence, "See DATABASE_URL, and its server's log.")]


def described(connection: Connection) -> Finding:
    kind = connection.dialect.name
    version = ".".join(map(str, connection.dialect.server_version_info or ()))
    sentence = f"{NAMES.get(kind, kind)} {version} answers."
    if kind == "sqlite" and current_app.config["PRODUCTION"]:
        return Finding(
            "database", "warning", f"{sentence} It serves one machine, and one writer at a time.",
            "Use PostgreSQL before more than a few people work here.",
        )  # fmt: skip
    return Finding("database", "ok", sentence)


def room(connection: Connection) -> list[Finding]:
    """Whether PostgreSQL takes as many connections as the workers of one machine may open."""
    if connection.dialect.name != "postgresql":
        return []
    settings: Settings = current_app.extensions["settings"]
    rows = connection.execute(
        text(
            "SELECT name, setting FROM pg_settings "
            "WHERE name IN ('max_connections', 'superuser_reserved_connections')"
        )
    )
    found = {name: int(value) for name, value in rows}
    free = found["max_connections"] - found["superuser_reserved_connections"]
    workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
    needed = workers * (settings.database_pool + 1)
    sentence = f"{workers} workers open up to {needed} of PostgreSQL's {free} connections."
    if needed <= free:
        return [Finding("connections", "ok", sentence)]
    return [
        Finding(
            "connections", "problem", sentence,
            f"Set RTAPP_DATABASE_POOL to {max(1, free // workers - 1)} or less, or raise "
            "max_connections.",
        )
    ]  # fmt: skip


def migrations() -> Finding:
    wrong = schema.mismatch()
    if wrong is None:
        return Finding("migrations", "ok", "The database has the tables of this version.")
    sentence, _, remedy = wrong.partition(": ")
    return Finding("migrations", "problem", f"{sentence}.", remedy[:1].upper() + remedy[1:])
