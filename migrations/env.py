"""How Alembic reaches the database and the models: through the application (Flask-Migrate)."""

from alembic import context
from flask import current_app

from rtapp.models.types import UtcDateTime


def render_item(kind, item, autogen_context):
    """A migration outlives the code: it names SQLAlchemy's types, never our own."""
    return "sa.DateTime(timezone=True)" if isinstance(item, UtcDateTime) else False


db = current_app.extensions["migrate"].db

with db.engine.connect() as connection:
    context.configure(
        connection=connection,
        target_metadata=db.metadata,
        render_as_batch=True,  # SQLite alters a table by making it anew
        compare_type=True,
        render_item=render_item,
    )
    with context.begin_transaction():
        context.run_migrations()
