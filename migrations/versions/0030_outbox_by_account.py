"""outbox: read by account, and shared by relays"""

import sqlalchemy as sa
from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None

WAITING = sa.text("set_aside_at IS NULL")
# The table is small and its rows are short-lived: it is vacuumed by their number alone.
VACUUM = {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000}


def upgrade() -> None:
    op.create_index(
        "ix_outbox_events_waiting",
        "outbox_events",
        ["account_id", "id"],
        sqlite_where=WAITING,
        postgresql_where=WAITING,
    )
    op.create_table(
        "outbox_claims",
        sa.Column("account_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("holder", sa.String(length=32), nullable=False),
        sa.Column("until_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_outbox_claims")),
    )
    if op.get_bind().dialect.name == "postgresql":
        settings = ", ".join(f"{name} = {value}" for name, value in VACUUM.items())
        op.execute(f"ALTER TABLE outbox_events SET ({settings})")


def downgrade() -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"ALTER TABLE outbox_events RESET ({', '.join(VACUUM)})")
    op.drop_table("outbox_claims")
    op.drop_index("ix_outbox_events_waiting", "outbox_events")
