"""The version of the database's tables, compared with the newest migration of this version."""

from functools import cache

from alembic.script import ScriptDirectory
from sqlalchemy import inspect
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from . import database
from .config import RESOURCES

EMPTY = "The database has no tables yet: run `flask --app app db upgrade`."
OLDER = (
    "The database has the tables of an older version of rtapp: run `flask --app app db upgrade`."
)
NEWER = (
    "The database was migrated by a newer version of rtapp: install that version, or restore a "
    "backup from before."
)


class NewerSchema(Exception):
    """This version can't use the tables. The text says so, and what to do."""


def mismatch() -> str | None:
    """Return EMPTY, OLDER or NEWER, or None if the tables are those of this version.

    Costs one short query. Raises SQLAlchemyError if the database does not answer.
    """
    applied = applied_revisions()
    if not applied:
        return EMPTY
    if not applied <= known_revisions():
        return NEWER
    return None if applied == newest_revisions() else OLDER


def refuse_newer() -> None:
    """Raises NewerSchema, or SQLAlchemyError if the database does not answer."""
    if mismatch() == NEWER:
        raise NewerSchema(NEWER)


def applied_revisions() -> frozenset[str]:
    """The revisions that Alembic has noted in the database: none before the first migration."""
    with database.probing() as connection:
        try:
            found = connection.scalars(text("SELECT version_num FROM alembic_version"))
            return frozenset(found)
        except DatabaseError as error:
            if database.problem(error) is not None:
                raise
            connection.rollback()  # PostgreSQL refuses further statements of the transaction
            if inspect(connection).has_table("alembic_version"):
                raise
            return frozenset()


@cache
def scripts() -> ScriptDirectory:
    return ScriptDirectory(str(RESOURCES / "migrations"))


@cache
def known_revisions() -> frozenset[str]:
    return frozenset(script.revision for script in scripts().walk_revisions())


@cache
def newest_revisions() -> frozenset[str]:
    return frozenset(scripts().get_heads())
