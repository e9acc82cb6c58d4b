"""outbox: events set aside, ids that last"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    change_outbox_id(sa.BigInteger())
    with op.batch_alter_table("outbox_events") as batch_op:
        batch_op.add_column(sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column("error", sa.Text(), nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("outbox_events") as batch_op:
        batch_op.drop_column("error")
        batch_op.drop_column("set_aside_at")
    change_outbox_id(sa.Integer())


def change_outbox_id(type: sa.types.TypeEngine) -> None:
    # SQLite's ids have 64 bits anyway; its table is made anew to get AUTOINCREMENT, or to lose it.
    if op.get_bind().dialect.name == "sqlite":
        larger = isinstance(type, sa.BigInteger)
        with op.batch_alter_table(
            "outbox_events", recreate="always", table_kwargs={"sqlite_autoincrement": larger}
        ):
            pass
        return
    op.alter_column("outbox_events", "id", type_=type)
    # A serial column's sequence keeps its own limit.
    op.execute(f"ALTER SEQUENCE outbox_events_id_seq AS {type.compile()}")
