"""automatic assignment: each inbox's settings and turns, and the conversations that wait for it"""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

COUNTS = (("inboxes", "turns"), ("inbox_members", "last_turn"))
WAITING = sa.text("awaits_assignee_since IS NOT NULL")


def upgrade() -> None:
    off = sa.Column("auto_assign", sa.Boolean(), nullable=False, server_default=sa.false())
    op.add_column("inboxes", off)
    op.add_column("inboxes", sa.Column("assignment_cap", sa.Integer()))
    for table, column in COUNTS:
        op.add_column(table, sa.Column(column, sa.Integer(), nullable=False, server_default="0"))
    op.add_column("conversations", sa.Column("awaits_assignee_since", sa.DateTime(timezone=True)))
    op.create_index(
        "ix_conversations_awaits_assignee_since", "conversations", ["awaits_assignee_since"],
        sqlite_where=WAITING, postgresql_where=WAITING,
    )  # fmt: skip
    if op.get_bind().dialect.name != "sqlite":  # which keeps the default
        for table, column in (("inboxes", "auto_assign"), *COUNTS):
            op.alter_column(table, column, server_default=None)


def downgrade() -> None:
    op.drop_index("ix_conversations_awaits_assignee_since", table_name="conversations")
    op.drop_column("conversations", "awaits_assignee_since")
    for table, column in COUNTS:
        op.drop_column(table, column)
    op.drop_column("inboxes", "assignment_cap")
    op.drop_column("inboxes", "auto_assign")
