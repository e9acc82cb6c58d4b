"""Alembic's environment. Flask-Migrate provides the database and the models."""

from alembic import context
from flask import current_app

from rtapp.database import unlimited
from rtapp.models.types import UtcDateTime


def render_item(kind, item, autogen_context):
    """Render SQLAlchemy's types in place of ours: a migration must not depend on the code."""
    return "sa.DateTime(timezone=True)" if isinstance(item, UtcDateTime) else False


db = current_app.extensions["migrate"].db

with unlimited(), db.engine.connect() as connection:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET statement_timeout = 0; SET lock_timeout = 0")
        connection.commit()
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=True,  # SQLite alters a table by recreating it
        compare_type=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
