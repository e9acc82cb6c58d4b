"""folded texts: what a search compares, beside messages and the names and addresses of contacts

The rows are filled in batches, each a transaction, so that a server of the version before goes on
writing. An upgrade that was interrupted goes on with the rows that are left.
"""

import sys

import sqlalchemy as sa
from alembic import op

from rtapp.folding import folded  # rows need the folding of now, not the one of this migration

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

BATCH = 1_000  # rows
SOURCES = {"contacts": ("name", "email"), "messages": ("content",)}


def upgrade() -> None:
    columns = {table: sa.inspect(op.get_bind()).get_columns(table) for table in SOURCES}
    for table, present in columns.items():
        if all(column["name"] != "folded" for column in present):
            op.add_column(table, sa.Column("folded", sa.Text))
    with op.get_context().autocommit_block():
        for table, sources in SOURCES.items():
            fill(op.get_bind(), table, sources)


def fill(connection: sa.Connection, name: str, sources: tuple[str, ...]) -> None:
    table = sa.table(name, sa.column("id"), *map(sa.column, sources), sa.column("folded"))
    texts = [table.c[source] for source in sources]
    empty = sa.select(table.c.id, *texts).where(table.c.folded.is_(None)).order_by(table.c.id)
    change = sa.update(table).where(table.c.id == sa.bindparam("row"))
    change = change.values(folded=sa.bindparam("new"))
    begin = "BEGIN" if connection.dialect.name == "postgresql" else "BEGIN IMMEDIATE"
    last = filled = 0
    while True:
        connection.exec_driver_sql(begin)
        batch = empty.where(table.c.id > last).limit(BATCH).with_for_update()
        rows = connection.execute(batch).all()
        if rows:
            changes = [{"row": id, "new": folded(" ".join(filter(None, of)))} for id, *of in rows]
            connection.execute(change, changes)
        connection.exec_driver_sql("COMMIT")
        if len(rows) < BATCH:
            return
        last, filled = rows[-1].id, filled + len(rows)
        print(f"{name}: {filled} rows folded", file=sys.stderr, flush=True)


def downgrade() -> None:
    for table in SOURCES:
        op.drop_column(table, "folded")
